namespace Shapes { export interface Shape { area(): number } export class Circle implements Shape { constructor(public r: number) {} area() { return +(Math.PI * this.r ** 2).toFixed(2); } } export namespace Util { export const total = (xs: Shape[]) => xs.reduce((s, x) => s + x.area(), 0); const hidden = 1; export let counter = hidden; export function bump() { return ++counter; } } }
namespace Shapes { export class Square implements Shape { constructor(public s: number) {} area() { return this.s ** 2; } } export const make = (n: number) => new Square(n); }
namespace A.B.C { export const deep = 'deep'; export enum E { X = 5 } }
module Legacy { export var v = 'module keyword'; }
namespace OnlyTypes { export type T = string; export interface I {} }
function callable(x: number) { return x * callable.factor; } namespace callable { export let factor = 3; } class WithStatics { y = 1; } namespace WithStatics { export const version = '1.0'; }
import Alias = A.B.C; import U = Shapes.Util;
console.log(U.total([new Shapes.Circle(1), Shapes.make(2)]), U.counter, U.bump(), Shapes.Util.counter, Alias.deep, A.B.C.E.X, Legacy.v, callable(4), WithStatics.version, new WithStatics(), Object.keys(Shapes), Shapes.Util); const t: OnlyTypes.T = 't'; console.log(t);
