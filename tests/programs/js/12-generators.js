function* fib(a = 0, b = 1) { while (true) { yield a; [a, b] = [b, a + b]; } }
const take = (n, it) => { const r = []; for (const x of it) { if (r.length >= n) break; r.push(x); } return r; };
console.log(take(10, fib()), [...take(3, fib(5, 8))]);
function* two() { const x = yield 1; console.log('got', x); try { yield x * 2; } finally { console.log('closed'); } return 'done'; }
const g = two(); console.log(g.next(), g.next(21), g.return('r'), g.next());
const g2 = two(); g2.next(); g2.next(0); try { g2.throw(new Error('thrown in')); } catch (e) { console.log(e.message); }
function* delegating() { const r = yield* inner(); console.log('inner returned', r); yield* [7, 8]; } function* inner() { yield 'i'; return 'R'; } console.log([...delegating()]);
class Tree { constructor(v, l, r) { Object.assign(this, { v, l, r }); } *[Symbol.iterator]() { if (this.l) yield* this.l; yield this.v; if (this.r) yield* this.r; } }
console.log([...new Tree(4, new Tree(2, new Tree(1), new Tree(3)), new Tree(6))], Math.max(...new Tree(1, new Tree(9))));
const perms = function* (a, n = a.length) { if (n <= 1) yield a.slice(); else for (let i = 0; i < n; i++) { yield* perms(a, n - 1); const j = n % 2 ? 0 : i; [a[n - 1], a[j]] = [a[j], a[n - 1]]; } };
console.log([...perms([1, 2, 3])], [...perms('abcdef'.split(''))].length);
async function* ticks(n) { for (let i = 0; i < n; i++) { await new Promise((r) => setTimeout(r, 1)); yield i; } }
(async () => { const out = []; for await (const t of ticks(4)) out.push(t); console.log(out); for await (const x of [Promise.resolve('p'), 'q']) console.log(x); const it = ticks(2); console.log(await it.next(), await it.return('early'), await it.next()); })();
const lazy = { from: 1, to: 4, [Symbol.iterator]() { let c = this.from, t = this.to; return { next: () => (c <= t ? { value: c++, done: false } : { value: undefined, done: true }), return() { console.log('return called'); return {}; } }; } };
for (const x of lazy) { if (x === 3) break; console.log(x); } const [p, q] = lazy; console.log(p, q, Array.from(lazy, (x) => x * x), new Set(lazy), Object.fromEntries([...lazy].map((x) => ['k' + x, x])));
label: for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) { if (j === 1) continue label; if (i === 2) break label; console.log(i, j); }
