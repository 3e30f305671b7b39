// Everything here must vanish, and nothing else.
interface Named { readonly name: string; tags?: string[]; [extra: string]: unknown }
type Id = string | number; type Pair<A, B = A> = [first: A, second: B]; type Keys<T> = { readonly [K in keyof T]-?: T[K] };
type Cond<T> = T extends (infer U)[] ? U : T extends Promise<infer V> ? V : never; type Tpl = `on${Capitalize<'click' | 'hover'>}`;
declare const ambient: number; declare function external(x: string): void; declare module 'nowhere' { export const y: number } declare namespace Ghost { let z: string }
function identity<T extends object = {}>(this: void, x: T, ...rest: readonly any[]): x is T { return rest.length === 0; }
function overload(x: string): string; function overload(x: number): number; function overload(x: any): any { return typeof x === 'string' ? x.toUpperCase() : x * 2; }
const asserted = JSON.parse('{"a":[1,2]}') as { a: number[] }, angle = <number><unknown>'5', nonNull = asserted!.a![0]!, konst = ['a', 'b'] as const, ok = { w: 1, h: 2 } satisfies Record<string, number>;
let definite!: string; definite = 'set'; const arrow = async <T,>(x: T): Promise<T> => x, opt = (x?: number, y: number = 1): number => (x ?? 0) + y, gen = function* <T>(xs: Iterable<T>): Generator<T, void, unknown> { yield* xs; };
abstract class Base<T> { static readonly count: number = 3; protected abstract value: T; declare phantom: string; private hidden?: T; constructor(public readonly id: Id, private secret = 's', protected opt?: boolean) {} abstract show(): string; get both(): string { return `${this.id}${this.secret}`; } method<K extends keyof this>(k: K): this[K] { return this[k]; } }
class Impl extends Base<number> implements Named { override value = 7; name = 'impl'; [extra: string]: unknown; show(): string { return `${this.value}:${this.both}:${String(this.opt)}`; } }
const impl: Named & Impl = new Impl('x'); console.log(impl, impl.show(), Impl.count, identity({}), overload('a'), overload(4), angle, nonNull, konst, ok.w, definite, opt(), opt(2, 3), [...gen([1, 2])], 'phantom' in impl);
arrow<number>(5).then((v: number): void => console.log(v)); const { a: [first, ...others] = [] as number[] }: { a?: number[] } = asserted; console.log(first, others); try { throw new Error('x'); } catch (e: unknown) { console.log((e as Error).message); }
for (const [k, v] of Object.entries(ok) as Pair<string, number>[]) console.log(k, v); let x: any = 1; x = x as unknown as string; type Local = typeof x; const fnType: (cb: (err: Error | null) => void) => void = (cb) => cb(null); fnType((e) => console.log(e)); const tuple: Pair<number> = [1, 2]; const unique: unique symbol = Symbol('u'); console.log(tuple, unique, (<any>globalThis).nothing?.at, ((a: number) => a satisfies number)(3));
