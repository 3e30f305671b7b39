namespace A { export let n = 1, m = 2; export const o: any = {}; }
namespace A { [n, m] = [m, n]; ({ n } = { n: 7 }); ({ a: m = 3 } = {} as any); for (n of [5, 6]); for (o.k in { q: 1 }); n++; n += 1; m ||= 9; delete o.z;
 const f = (x = n, { y = m } = {} as any) => [x, y]; console.log(f(), n, m, o, `${n}`, { n, m, ["k" + n]: n }, n ? m : n, [...[n]], typeof n);
 class Z { p = n; static q = m; [`m${n}`]() { return n } } console.log(new Z(), Z.q, n as number, n!, <any>n); label: for (;;) { break label } 
 function inner(n: string) { return n } console.log(inner("shadow")); try { throw 1 } catch (n) { console.log(n) } { let m = "block"; console.log(m) } const g = function n() { return typeof n }; console.log(g()); }
console.log(A);
