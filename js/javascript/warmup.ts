// What TypeScript has that must be written out, for the translator to have been through it.
interface Shape {
  readonly kind: "circle" | "square";
  area?(): number;
}
enum Color {
  Red,
  Green = "green".length,
}
const enum Level {
  Low = 1,
}
namespace Geometry {
  export const unit = 1;
  export function square(n: number): number {
    return n * n * unit;
  }
}
function logged<T extends { new (...args: any[]): object }>(target: T): T {
  return target;
}
abstract class Base<T = unknown> {
  constructor(
    protected readonly value: T,
    public name?: string,
  ) {}
  abstract show(): string;
}
@logged
class Item extends Base<number> implements Shape {
  kind = "square" as const;
  declare hidden: string;
  show(): string {
    return `${this.value!}:${this.name ?? "none"}`;
  }
}
type Keys<T> = { [K in keyof T]?: T[K] };
const config = { depth: 2 } satisfies Record<string, number>;
const generic = <T>(x: T): T => x;
function overloaded(x: string): string;
function overloaded(x: number): number;
function overloaded(x: any): any {
  return x;
}
const keys: Keys<typeof config> = config;
console.log(Color.Green, Color[0], Level.Low, Geometry.square(3), new Item(1, "a").show(), keys);
console.log(generic<number>(overloaded(1) as number), config?.depth, <any>config);
await Promise.resolve();
