function required(target, name) { (target.__req ??= []).push(name) }
class P { @required name: string; @required age: number } console.log((P as any).prototype.__req);
