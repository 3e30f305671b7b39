const { a = 1, b: { c: [, d = 'D'] = [] } = {}, ...rest } = { b: { c: [0] }, x: 1, y: 2 }; console.log(a, d, rest);
const [p, , q = 'q', ...[r, s]] = [1, 2, undefined, 4, 5]; console.log(p, q, r, s); let m = 1, n = 2; [m, n] = [n, m]; console.log(m, n);
const f = ({ x, y = x * 2 } = { x: 5 }, [z] = 'z', ...more) => [x, y, z, more]; console.log(f(), f({ x: 1 }, [9], 7, 8), f.length);
console.log({ ...null, ...{ a: 1 }, ...'hi', ...[9] }, [...'ab', ...new Set([1, 1]), ...new Map([[1, 2]])], Math.max(...[1, 2], 3));
const deep = { u: { v: null, w: () => 'called' } }; console.log(deep?.u?.v?.z, deep.nope?.(), deep.u.w?.(), deep?.['u'], deep.u.v ?? 'dflt', 0 ?? 1, 0 || 1, '' && 1);
let t = null; t ??= 5; t ||= 6; t &&= 7; t **= 2; console.log(t, typeof undefinedVar, void 0, (1, 2), !!'' + 1, typeof null, typeof function () {}, typeof class {}, delete deep.u.v, deep);
for (const [k, { length }] of Object.entries({ one: 'a', two: 'bb' })) console.log(k, length); for (const i in [7, 8]) console.log(i, typeof i); for (let i = 0, j = 10; i < j; i += 4, j -= 4) console.log(i, j);
const fns = []; for (let i = 0; i < 3; i++) fns.push(() => i); var vfns = []; for (var v = 0; v < 3; v++) vfns.push(() => v); console.log(fns.map((g) => g()), vfns.map((g) => g()));
console.log(hoisted(), typeof notYet); function hoisted() { return 'hoisted'; } var notYet = 1; switch (3) { case 1: console.log('no'); default: console.log('default'); case 2: console.log('fall'); break; case 4: console.log('no'); }
const counter = (() => { let c = 0; return { inc: () => ++c, get value() { return c; } }; })(); counter.inc(); counter.inc(); console.log(counter.value, counter);
const curry = (g) => function c(...x) { return x.length >= g.length ? g(...x) : (...y) => c(...x, ...y); }; console.log(curry((x, y, z) => x + y + z)(1)(2, 3)); const compose = (...gs) => (x) => gs.reduceRight((y, g) => g(y), x); console.log(compose((x) => x + 1, (x) => x * 2)(5));
do { var once = true; } while (false); console.log(once, [1, 2, 3].map(parseInt), ((x, y = x) => [x, y])(1), (function () { return typeof this; }).call(5), (() => { 'use strict'; return (function () { return this; })(); })());
