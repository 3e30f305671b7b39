namespace A { export const x = 1; }
namespace A { export const y = x + 10; }
console.log(A.y);
namespace B { export let count = 0; export function inc() { count++; return count; } }
namespace B { export function twice() { inc(); inc(); count += 10; return { count, inc: inc() }; } const { v = count } = {} as any; console.log(v); }
console.log(B.twice(), B.count);
const x = 99; console.log(x);
namespace A { console.log(x, y); export const z = [x, y].map((x) => x + 1); { const y = 5; console.log(y) } }
console.log(A.z);
namespace P.Q { export const deep = 1; }
namespace P.Q { export const deeper = deep + 1; }
namespace P { export namespace Q { export const deepest = deeper + 1 + deep; } export const top = 0; }
namespace P { export namespace Q { console.log(top, deep, deeper, deepest); } console.log(top, Q.deepest); }
console.log(P);
class C { static n = 1; hi() { return C.helper(); } } namespace C { export function helper() { return "h" + n2; } const n2 = 2; }
console.log(new C().hi());
function fn() { return fn.meta; } namespace fn { export let meta = "m"; } namespace fn { meta += "!"; }
console.log(fn());
enum Color { Red, Green } namespace Color { export function name(c: Color) { return c === Color.Red ? "r" : Color[c]; } }
console.log(Color.name(Color.Red), Color.name(Color.Green));
namespace T { export interface I { a: number } export type U = I; } namespace T { export const v: I = { a: 1 }; }
console.log(T.v);
namespace D { export class K { v = 1 } export enum E { X = 3 } } namespace D { export class L extends K { e = E.X } export const k = new K(), o = { K, E }; }
console.log(new D.L(), D.o);
namespace X1 { export const [a, { b }] = [1, { b: 2 }]; } namespace X1 { export const sum = a + b; } console.log(X1.sum);
import Alias = A; console.log(Alias.x); import Deep = P.Q; console.log(Deep.deep);
namespace Y { export import Z = A; console.log(Z.y); } namespace Y { console.log(Z.x) } 
function scope() { namespace In { export const q = 1 } namespace In { export const r = q + 1 } return In.r } console.log(scope());
namespace F { export async function* g() { yield one } export const one = 1 } namespace F { export const all = async () => { const out = []; for await (const v of g()) out.push(v); return out } }
F.all().then((v) => console.log(v));
namespace Em { export type T = 1 } 
namespace V { export var tag = (s: TemplateStringsArray) => s[0]; } namespace V { console.log(tag`hello`, typeof tag, `${typeof tag}`) ; const tag2 = { tag }; console.log(Object.keys(tag2)); }
