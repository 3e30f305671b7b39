const log = (...args) => console.log(...args);
log('start');
setTimeout(() => log('timeout 0'), 0);
setTimeout(() => { log('timeout 80'); Promise.resolve().then(() => log('micro in timeout 80')); }, 80);
setTimeout(() => log('timeout 80b'), 80);
setTimeout(() => log('timeout 40'), 40);
Promise.resolve().then(() => log('micro 1')).then(() => log('micro 2'));
queueMicrotask(() => log('queueMicrotask'));
(async () => { log('async start'); await null; log('after await'); await 1; log('after second await'); })();
let count = 0;
setTimeout(() => {
  const interval = setInterval(() => { count++; log('interval', count); if (count === 3) clearInterval(interval); }, 20);
}, 500);
const cancelled = setTimeout(() => log('never'), 1);
clearTimeout(cancelled);
setTimeout((a, b) => log('args', a, b), 240, 'x', { y: 1 });
(async () => {
  for await (const n of (async function* () { yield 1; await new Promise((r) => setTimeout(r, 200)); yield 2; })()) log('async iteration', n);
})();
Promise.all([1, Promise.resolve(2), new Promise((r) => setTimeout(() => r(3), 280))]).then((v) => log('all', v));
Promise.allSettled([Promise.reject(new Error('no')), 1]).then((v) => log(v.map((s) => s.status)));
Promise.race([new Promise((r) => setTimeout(() => r('slow'), 400)), new Promise((r) => setTimeout(() => r('fast'), 120))]).then(log);
Promise.any([Promise.reject(1), new Promise((r) => setTimeout(() => r('any'), 160))]).then(log);
const { promise, resolve } = (() => { let resolve; const promise = new Promise((r) => (resolve = r)); return { promise, resolve }; })();
promise.finally(() => log('finally')).then((v) => log('resolved', v));
setTimeout(() => resolve('late'), 320);
log('end');
