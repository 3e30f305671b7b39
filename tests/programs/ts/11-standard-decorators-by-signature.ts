const memo = (fn: Function, { kind }: { kind: string }) => {
  if (kind !== "method") return;
  const seen = new Map();
  return function (this: any, n: number) {
    if (seen.has(n)) console.log("hit"); else seen.set(n, fn.call(this, n));
    return seen.get(n);
  };
};
class M { @memo square(n: number) { return n * n; } }
const m = new M();
console.log(m.square(3), m.square(3));
function bound(_: any, ctx: any) { ctx.addInitializer(function (this: any) { this[ctx.name] = this[ctx.name].bind(this); }); }
class K { x = 1; @bound get() { return this.x; } }
const { get } = new K(); console.log(get());
function field(_: undefined, c: any) { console.log(c.kind, c.name, c.static, c.private); return (v: any) => v * 2; }
class FF { @field a = 2; @field static b = 3; @field #p = 4; get p() { return this.#p } }
const ff = new FF(); console.log(ff.a, FF.b, ff.p);
function cls(value: any, ctx: any) { console.log(ctx.kind, ctx.name); return class extends value { extra = 1 } as any; }
@cls class Cl { y = 2 } console.log(new Cl());
function acc(v: any, ctx: any) { return { get() { return v.get.call(this) + 1 }, set(x: any) { v.set.call(this, x * 10) }, init(i: any) { return i + 100 } } }
class AA { @acc accessor n = 1 } const aa = new AA(); console.log(aa.n); aa.n = 5; console.log(aa.n);
function order(n: string) { console.log("eval", n); return (v: any, c: any) => { console.log("apply", n, c.kind) } }
@order("c1") @order("c2") class O { @order("m") m() {} @order("s") static s() {} @order("f") f = 1; @order("g") get g() { return 1 } }
new O();
function lg(v: any, c: any) { return function (this: any, ...a: any[]) { console.log("call", String(c.name)); return v.apply(this, a) } }
class G1 { @lg get v() { return 3 } @lg set v(x) { } @lg static st() { return 4 } @lg #priv() { return 5 } callPriv() { return this.#priv() } @lg ["comp" + 1]() { return 6 } }
const g1: any = new G1(); console.log(g1.v); g1.v = 1; console.log((G1 as any).st(), g1.callPriv(), g1.comp1());
function logged(value, { kind, name }) { if (kind === "method") return function (...args) { console.log("start", name); const r = value.call(this, ...args); console.log("end"); return r } }
class LC { @logged m(a) { return a } } console.log(new LC().m(4));
const deco = { trace(value, context) { console.log(context.kind); } }; class DD { @deco.trace m() {} @(((v: any, ctx: any) => { console.log("inline", ctx.name) })) q() {} }
