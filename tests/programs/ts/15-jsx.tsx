/** @jsx h */
function h(tag: any, props: any, ...children: any[]): any { return { tag: typeof tag === "function" ? tag.name : tag, props, children } }
interface P { name: string }
const Hello = (p: P) => <b>{p.name}</b>;
const id = <T,>(x: T): T => x;
console.log(JSON.stringify(<div class="x"><Hello name={id("a")} {...{ z: 1 }} /> text {1 + 1}</div>));

namespace Ui { export const Button = (p: { label: string }) => <button>{p.label}</button>; }
console.log(JSON.stringify(<Ui.Button label="ok" />), id<number>(1));
