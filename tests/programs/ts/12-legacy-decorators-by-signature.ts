// wraps a property accessor or a method
function log(target: any, key: string, d: PropertyDescriptor) {
  const f = d.value; d.value = function (...a: any[]) { console.log("calling", key); return f.apply(this, a); };
}
class A { @log m(x: number) { return x + 1; } }
console.log(new A().m(1));
function min(n: number) { return function (target: any, key: string) { let v: any; Object.defineProperty(target, key, { get() { return v }, set(x) { if (x < n) throw new Error(`${key} too small`); v = x }, enumerable: true, configurable: true }) } }
class U { @min(3) age: number; @min(1) other = 5; constructor(a: number) { this.age = a } }
const u = new U(5); console.log(u.age, u.other); try { new U(1) } catch (e: any) { console.log(e.message) }
function sealed(c: Function) { Object.seal(c); Object.seal(c.prototype) } @sealed class S { x = 1 } console.log(Object.isSealed(S));
function inject(t: any, k: any, i: number) { console.log("param", typeof t, k, i) } class I { constructor(@inject a: any, @inject b: any) {} m(@inject p: any) {} } new I(1, 2);
function order(n: string): any { console.log("eval", n); return (t: any, k: any, d: any) => { console.log("apply", n, k, typeof d) } }
@order("c1") @order("c2") class O { @order("m") m(@order("p") a: any) {} @order("s") static s() {} @order("f") f = 1; @order("g") get g() { return 1 } }
new O();
function classRep<T extends { new (...a: any[]): {} }>(C: T) { return class extends C { added = true } } @classRep class R { constructor(public n: number) {} } console.log(new R(3));
