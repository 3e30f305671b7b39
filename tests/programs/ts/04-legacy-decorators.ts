const log: string[] = []; type Ctor<T = {}> = new (...args: any[]) => T;
function sealed(c: Function) { Object.seal(c); Object.seal(c.prototype); log.push('sealed ' + c.name); }
function tagged(tag: string) { log.push('factory ' + tag); return <T extends Ctor>(c: T) => class extends c { tag = tag; }; }
function trace(target: any, key: string, d: PropertyDescriptor) { const f = d.value; d.value = function (...a: any[]) { log.push(`call ${key}(${a.join()})`); return f.apply(this, a); }; }
function memo(_t: any, key: string, d: PropertyDescriptor): PropertyDescriptor { const get = d.get!, cache = new WeakMap(); return { ...d, get() { if (!cache.has(this)) cache.set(this, get.call(this)); return cache.get(this); } }; }
function range(min: number, max: number) { return (target: any, key: string) => { const store = new WeakMap(); Object.defineProperty(target, key, { get() { return store.get(this); }, set(v: number) { if (v < min || v > max) throw new RangeError(`${key} must be in ${min}..${max}`); store.set(this, v); }, configurable: true }); }; }
const required: [string, number][] = []; function req(_t: any, key: string | undefined, index: number) { required.push([key ?? 'constructor', index]); } function enumerable(v: boolean) { return (_: any, _k: string, d: PropertyDescriptor) => { d.enumerable = v; }; }
@sealed class Calc { static base = 10; #n = 0; constructor(@req private scale: number) {} @trace add(@req a: number, b: number) { return (a + b) * this.scale; } @memo get slow() { return ++this.#n; } @trace static twice(x: number) { return x * 2; } @enumerable(true) shown() {} }
@tagged('outer') @tagged('inner') class Tagged { name = 'n'; }
const c = new Calc(2); console.log(c.add(1, 2), c.slow, c.slow, Calc.twice(4), Object.isSealed(Calc), Object.keys(Calc.prototype), required, new Tagged()); console.log(log);
class Percent { @range(0, 100) declare value: number; } const p = new Percent(); p.value = 50; try { p.value = 101; } catch (e) { console.log((e as Error).message, p.value); }
