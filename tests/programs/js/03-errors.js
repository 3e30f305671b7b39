// Errors as values; only their first lines, since paths differ.
const first = (error) => String(error.stack).split('\n')[0];
class HttpError extends Error {
  constructor(status, message, options) { super(message, options); this.name = 'HttpError'; this.status = status; }
}
const wrapped = new HttpError(404, 'not found', { cause: new TypeError('root') });
console.log(first(wrapped), wrapped.status, wrapped.cause.message, wrapped instanceof Error, Object.keys(wrapped));
for (const [make, name] of [[() => structuredClone(() => {}), 'DataCloneError'], [() => atob('*'), 'InvalidCharacterError'], [() => new URL('nope'), 'TypeError']]) {
  try { make(); } catch (error) { console.log(error.name === name, error instanceof Error); }
}
for (const make of [() => null.x, () => undefined.f(), () => nope, () => (1)(), () => new (class { #a; static t(o) { return o.#a; } }).constructor.t({}), () => { const c = 1; c = 2; }, () => [].reduce((a) => a), () => new Array(-1), () => (1.5).toFixed(101), () => 'x'.repeat(-1), () => decodeURIComponent('%'), () => BigInt(1.5), () => 1n + 1, () => Symbol() + '', () => new Proxy({}, null), () => { let q = q; }, () => Reflect.construct(1), () => 'a'.normalize('x'), () => new Intl.NumberFormat('en', { style: 'currency' }), () => eval('let 1'), () => new RegExp('('), () => null[Symbol.iterator], () => { const [a] = 5; }, () => { for (const x of {}) {} }, () => { throw Object.assign(new Error('props'), { code: 'E1' }); }]) {
  try { make(); console.log('no error'); } catch (error) { console.log(error.name, '|', error.message, '|', error instanceof Error); }
}
console.log(new AggregateError([new Error('a'), 1], 'many').errors.length, Error('x').message, new Error('m', { cause: 0 }).cause);
console.log(Error.prototype.toString.call({ name: 'N', message: 'M' }), Object.prototype.toString.call(new RangeError()));
try { try { throw new Error('inner'); } finally { console.log('finally'); } } catch ({ message }) { console.log(message); }
const f = () => { try { return 'try'; } finally { console.log('cleanup'); } };
console.log(f());
console.log([new Error('no stack')].map((e) => { e.stack = undefined; return e; }));
const bare = new Error('bare'); bare.stack = 'Error: bare'; console.log(bare, { bare });
const coded = new Error('coded'); coded.stack = 'Error: coded\n    at somewhere'; coded.code = 'E_CODE'; console.log(coded);
