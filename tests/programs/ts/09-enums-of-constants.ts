const text = "aThisIs"; enum E { A = text, B = "b" }
const five = 5; enum F { X = five, Y }
console.log(E, F);
enum G { A = 1 << 2, B = A | 1, C = "x".length, D = F.X + 1, H, I = G.A, J = G["B"], K = -five, L = ~five, M, N = 1 / 0, O = 0 / 0 }
console.log(G);
enum S { A = `t${text}`, B = `${five}n\n`, C = "a" + five, D = S.A + "!", E = `é` }
console.log(S);
const nested = five * 2 + 1, alias = F.Y; enum H { A = nested, B, C = alias, D }
console.log(H);
let notConst = 3; enum I { A = notConst, B = 4 } console.log(I);
const typed: number = 3; enum J { A = typed, B = 4 } console.log(J);
const enum CE { A = five, B, C = "c" as any } console.log(CE.A, CE.B);
enum M { A } enum M { B = 1, C = A + 5, D = M.A } console.log(M);
function f() { const inner = 7; enum L { A = inner, B } return L; } console.log(f());
const A = 100; enum N { A = 1, B = A, C = N.B } console.log(N);
namespace Q { export const k = 9; export enum R { A = k, B } export enum W { A = R.B } }
enum T { A = Q.k, B = Q.R.B, C } console.log(Q.R, Q.W, T);
enum U { "a-b" = 1, 'c' = U["a-b"] + 1, d = U["c"] + 1 } console.log(U);
const a2 = "x"; { const a2 = "shadow"; enum V { P = a2 } console.log(V); }
enum X { A = (five), B = +five, C = five ** 2, D = five % 2, E1 = -1 >>> 0 } console.log(X);
const enum Y1 { One = 1, Two } console.log(Y1.Two, Y1["One"]);
declare const enum DC { A = 4 } console.log(DC.A);
const asC = "q" as const; enum Z1 { A = asC } console.log(Z1);
enum Doubled { A = "x" + `${text}` + five, B = text.length, C = 5 }
console.log(Doubled);
namespace Outer { export namespace Inner { export const base = 20; export enum Deep { A = base, B } } }
enum Far { A = Outer.Inner.base, B = Outer.Inner.Deep.B, C }
console.log(Far);
