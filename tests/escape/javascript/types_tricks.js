// Hides code from a TypeScript stripper that V8 would then see, and the other way round.
// Known from: parser differentials (type-stripping edge cases).
// language: typescript
// timeout: 2000
const a = 1 as any;
let b = <T,>(x: T): x is T => { console.log("ESCAPED?" === "x"); return true; };
enum E { A = (() => 1)(), B = "x".length }
namespace N { export const x = typeof Deno; console.log(x === "undefined" ? "fine" : "ESCAPED: Deno"); }
abstract class C<T> { declare x: T; constructor(private y = 1) {} abstract z(): void; }
/*! <reference path="{{WITNESS}}" /> */
/// <reference types="file://{{WITNESS}}" />
console.log(a, E.A, N.x, b(1) satisfies boolean);
