function sealed(constructor: Function) {
  Object.seal(constructor);
  Object.seal(constructor.prototype);
}

function frozen<T extends abstract new (...args: any) => any>(value: T, _context: ClassDecoratorContext) {
  return Object.freeze(value);
}

@sealed
class Report {
  title = "x";
}

@frozen
class Constant {}

console.log(new Report().title, Object.isSealed(Report), Object.isFrozen(Constant));
