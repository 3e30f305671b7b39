const registry = new Map<string, any>();
const Route = (path: string): MethodDecorator => (target, propertyKey) => { registry.set(path, propertyKey); };
class Ctl { @Route("/a") a() { return 1 } @Route("/b") b() {} }
console.log(registry);
function Enumerable(v: boolean) { return (_: any, __: string, desc: PropertyDescriptor) => { desc.enumerable = v } }
class Z { @Enumerable(true) m() {} } console.log(Object.keys(Z.prototype));
