class Shape {
  static #count = 0;
  static { this.kind = 'shape'; }
  #secret = 42;
  constructor(name) { this.name = name; Shape.#count++; }
  static get count() { return Shape.#count; }
  get secret() { return this.#secret; }
  set secret(v) { this.#secret = v; }
  #hidden() { return 'hidden ' + this.#secret; }
  reveal() { return this.#hidden(); }
  has(o) { return #secret in o; }
  toString() { return `Shape(${this.name})`; }
  get [Symbol.toStringTag]() { return 'Shp'; }
  *[Symbol.iterator]() { yield* this.name; }
  static async make(n) { await null; return new this(n); }
  ['com' + 'puted'](x = 1, ...rest) { return [x, rest]; }
}
class Circle extends Shape {
  radius = 2;
  area = () => (Math.PI * this.radius ** 2).toFixed(3);
  constructor(r) { super('circle'); this.radius = r; }
  toString() { return super.toString() + '!'; }
  accessor = 1;
}
const c = new Circle(3);
console.log(String(c), c.area(), c.reveal(), c.secret, [...c], c.has(c), c.has({}), Shape.count, Circle.kind);
c.secret = 1; console.log(c.secret, c.computed(5, 6, 7), c.computed(), Object.prototype.toString.call(c), c);
Shape.make('async').then((s) => console.log(s.name, Shape.count, s instanceof Shape));
const Mixin = (B) => class extends B { mixed() { return 'mixed:' + this.name; } };
console.log(new (Mixin(Shape))('m').mixed(), Object.getOwnPropertyNames(Shape.prototype), Circle.name, Circle.length);
function Old(n) { if (!new.target) return new Old(n); this.n = n; } Old.prototype.get = function () { return this.n; };
console.log(Old(3).get(), new Old(4), Object.create(Old.prototype, { z: { value: 1, enumerable: true } }));
const o = { __proto__: { inherited: 1 }, own: 2, get g() { return 3; }, ['k' + 1]: 4, async *gen() {}, m() { return super.inherited; } };
console.log(o, o.m(), Object.entries(o), 'inherited' in o, Object.hasOwn(o, 'inherited'));
console.log(Object.getOwnPropertyDescriptors(class { static a = 1; static b() {} }));
class Temp { static [Symbol.hasInstance](x) { return x === 1; } static from(x) { return Object.assign(new this(), x); } }
console.log(1 instanceof Temp, Temp.from({ q: 1 }));
