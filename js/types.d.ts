// What the scripts here find around them, for the type checker: ops and globals of the host, and
// those parts of deno_core, deno_web and Pyodide that they use. Nothing of it is in the server.

// What a program ran out of, in the words of op_faas_finish.
type Limit = "memory" | "storage";
type View = ArrayBufferView<ArrayBuffer>;
// What a command line would give a program.
type Invocation = {
  stdin: string | null;
  arguments: string[];
  entryPoint: string | null;
  // Patterns of file names.
  collect: string[];
  // Names and values.
  environment: [string, string][];
  // JSON text.
  tools: string | null;
  // Whether an error that ends the program is shown rather than printed.
  showsErrors: boolean;
};
// What the engine gives to python/boot.mjs.
type Boot = {
  // Text of Pyodide's lock file.
  lock: string;
  // Sources of Python modules by their names.
  modules: Record<string, string>;
  // File names.
  wheels: string[];
  fonts: string[];
};

declare module "ext:core/mod.js" {
  const core: {
    readonly kRefed: unique symbol;
    readonly ops: Record<string, unknown>;
    // Whatever a script of another extension exports.
    loadExtScript(name: string): any;

    decode(bytes: Uint8Array): string;
    encode(text: string): Uint8Array<ArrayBuffer>;

    isAnyArrayBuffer(value: unknown): value is ArrayBuffer;
    isDataView(value: unknown): value is DataView<ArrayBuffer>;
    isMapIterator(value: unknown): boolean;
    isSetIterator(value: unknown): boolean;
    isMap(value: unknown): value is Map<unknown, unknown>;
    isNativeError(value: unknown): value is Error;
    isSet(value: unknown): value is Set<unknown>;
    isTypedArray(value: unknown): value is Uint8Array<ArrayBuffer>;

    // What V8 keeps for the code that runs and whatever continues it.
    getAsyncContext(): unknown;
    setAsyncContext(context: unknown): void;
    AsyncVariable: new () => { enter(value: unknown): unknown; get(): unknown };

    createTimer(
      callback: Function,
      delay: number,
      args: undefined,
      isRepeated: boolean,
      isRefed: boolean,
    ): any;
    cancelTimer(timer: any): void;
    refTimer(timer: any): void;
    refreshTimer(timer: any): void;
    unrefTimer(timer: any): void;

    immediateRefCount(increase: boolean): void;
    queueImmediate(immediate: object): void;
    clearImmediate(immediate: unknown): void;
    runImmediates(): void;
    __processTimers(now: number): number;

    registerErrorBuilder(className: string, builder: (message: string) => unknown): void;
    setReportExceptionCallback(callback: (error: unknown) => void): void;
  };

  // Built-ins as they were before any program ran. Methods take their object as first argument.
  const primordials: {
    ArrayBufferIsView(value: unknown): value is View;
    ArrayIsArray(value: unknown): value is any[];
    ArrayPrototypeJoin(array: readonly unknown[], separator: string): string;
    ArrayPrototypeMap<T, U>(array: readonly T[], map: (item: T, index: number) => U): U[];
    ArrayPrototypePush<T>(array: T[], ...items: T[]): number;
    ArrayPrototypeSlice<T>(array: readonly T[], start?: number, end?: number): T[];
    DataViewPrototypeGetBuffer(view: View): ArrayBuffer;
    DataViewPrototypeGetByteLength(view: ArrayBufferView): number;
    DataViewPrototypeGetByteOffset(view: ArrayBufferView): number;
    Error: ErrorConstructor & { prepareStackTrace?: unknown };
    ErrorCaptureStackTrace(error: object, above?: Function): void;
    ErrorPrototype: Error;
    ErrorPrototypeToString(error: unknown): string;
    FunctionPrototypeToString(value: Function): string;
    JSONParse(text: string): any;
    JSONStringify(value: unknown): string | undefined;
    MapPrototypeForEach<K, V>(map: Map<K, V>, each: (value: V, key: K) => void): void;
    MathFloor(number: number): number;
    MathMax(...numbers: number[]): number;
    Number: NumberConstructor;
    NumberPrototypeToFixed(number: number, digits: number): string;
    ObjectDefineProperty(
      object: object,
      key: PropertyKey,
      descriptor: PropertyDescriptor & { __proto__: null },
    ): void;
    ObjectFreeze<T>(object: T): Readonly<T>;
    ObjectGetPrototypeOf(value: object): any;
    ObjectHasOwn(object: object, key: PropertyKey): boolean;
    ObjectKeys(object: object): string[];
    ObjectPrototypeIsPrototypeOf<T>(prototype: T, value: unknown): value is T;
    ObjectValues<T>(object: Record<string, T>): T[];
    Promise: PromiseConstructor;
    PromisePrototypeThen<T>(promise: Promise<T>, then: (value: T) => void): Promise<void>;
    PromiseReject(reason: unknown): Promise<never>;
    PromiseResolve<T>(value: T): Promise<T>;
    ReflectConstruct(target: Function, args: readonly unknown[], newTarget: Function): any;
    ReflectApply(target: Function, receiver: unknown, args: readonly unknown[]): any;
    RegExpPrototypeExec(pattern: RegExp, text: string): RegExpExecArray | null;
    SafeMap: MapConstructor;
    SafeRegExp: RegExpConstructor;
    SafeSet: SetConstructor;
    SafeWeakMap: WeakMapConstructor;
    SetPrototypeForEach<T>(set: Set<T>, each: (value: T) => void): void;
    String: StringConstructor;
    StringPrototypeEndsWith(text: string, end: string): boolean;
    StringPrototypeIndexOf(text: string, part: string): number;
    StringPrototypeLastIndexOf(text: string, part: string): number;
    StringPrototypeIncludes(text: string, part: string): boolean;
    StringPrototypeIndexOf(string: string, wanted: string): number;
    StringPrototypePadStart(text: string, length: number, fill: string): string;
    StringPrototypeRepeat(text: string, count: number): string;
    StringPrototypeReplaceAll(text: string, part: string, by: string): string;
    StringPrototypeSlice(text: string, start: number, end?: number): string;
    StringPrototypeSplit(text: string, separator: string): string[];
    StringPrototypeStartsWith(text: string, start: string): boolean;
    StringPrototypeToUpperCase(text: string): string;
    Symbol: SymbolConstructor;
    SymbolDispose: typeof Symbol.dispose;
    SymbolFor(key: string): symbol;
    SymbolToPrimitive: typeof Symbol.toPrimitive;
    SymbolToStringTag: typeof Symbol.toStringTag;
    TypeError: TypeErrorConstructor;
    TypedArrayPrototypeGetBuffer(array: View): ArrayBuffer;
    TypedArrayPrototypeGetByteLength(array: ArrayBufferView): number;
    TypedArrayPrototypeGetByteOffset(array: ArrayBufferView): number;
    // Undefined for what is not a typed array.
    TypedArrayPrototypeGetSymbolToStringTag(value: unknown): string | undefined;
    TypedArrayPrototypeSlice(array: Uint8Array): Uint8Array<ArrayBuffer>;
    Uint32Array: Uint32ArrayConstructor;
    Uint8Array: Uint8ArrayConstructor;
  };
}

// The engine's functions with #[op2].
declare module "ext:core/ops" {
  function op_faas_acknowledge_stop(): void;
  // JSON: lists of a call's number, how it ended, and a text.
  function op_faas_await_tools(milliseconds: number): string;
  function op_faas_boot_file(path: string): Uint8Array;
  function op_faas_call_tool(number: number, tool: string, input: string): void;
  function op_faas_compiled(): void;
  function op_faas_decode_latin1(bytes: Uint8Array): string;
  function op_faas_decode_utf16(bytes: Uint8Array): string;
  function op_faas_digest(name: string, bytes: Uint8Array): Uint8Array<ArrayBuffer>;
  function op_faas_end_interruptible(): void;
  function op_faas_excerpt(file: string, line: number, column: number): string;
  function op_faas_fail(outOfMemory: boolean): void;
  function op_faas_hmac(name: string, key: Uint8Array, bytes: Uint8Array): Uint8Array<ArrayBuffer>;
  function op_faas_finish(exitCode: number, returnValue: string | null, limit: Limit | null): void;
  function op_faas_invocation(): Invocation;
  function op_faas_input_files(): { name: string; contents: Uint8Array }[];
  function op_faas_interrupt_buffer(): ArrayBuffer;
  function op_faas_cpu_time(): number;
  function op_faas_pbkdf2(
    hash: string,
    password: Uint8Array,
    salt: Uint8Array,
    rounds: number,
    length: number,
  ): Uint8Array;
  function op_faas_scrypt(
    password: Uint8Array,
    salt: Uint8Array,
    n: number,
    r: number,
    p: number,
    length: number,
  ): Uint8Array;
  function op_faas_set_alarm(after: number, interval: number): void;
  function op_faas_take_alarm(): boolean;
  // Whether the program is to stop, or is interrupted.
  function op_faas_take_interrupt(): boolean;
  function op_faas_unpacked(isOfDistribution: boolean, file: string): Uint8Array;
  function op_faas_now(): number;
  function op_faas_original_position(
    file: string,
    line: number,
    column: number,
    into: Uint32Array,
  ): boolean;
  function op_faas_in_wheelhouse(name: string): boolean;
  function op_faas_imports(modules: string): void;
  function op_faas_package(kind: string, name: string, file: string): Uint8Array;
  function op_faas_provider(module: string): string | null;
  function op_faas_print(descriptor: number, text: string): void;
  function op_faas_pump(): void;
  function op_faas_put_file(name: string, contents: Uint8Array): void;
  function op_faas_random(into: Uint8Array): void;
  function op_faas_represent(mediaType: string, text: string, isJson: boolean): void;
  function op_faas_represent_bytes(mediaType: string, bytes: Uint8Array): void;
  function op_faas_show(isMain: boolean, artifact: string | null): void;
  function op_preview_entries(value: unknown, withKind: true): [unknown[], boolean];
  // Whether the program is to stop.
  function op_faas_sleep(milliseconds: number): boolean;
  function op_faas_stay(): void;
  function op_faas_stop_requested(): boolean;
  function op_faas_write(descriptor: number, bytes: Uint8Array): void;
}

// vendor/node/inspect.js
declare module "ext:faas_javascript/inspect.js" {
  function format(values: readonly unknown[]): string;
  function getStringWidth(text: string): number;
  function inspect(value: unknown, options?: object): string;
}

// Pyodide, of which the npm package has types, but not of the parts that it keeps to itself.
declare module "pyodide:///pyodide.asm.mjs" {
  export default function createPyodideModule(settings: object): Promise<unknown>;
}
declare module "pyodide:///pyodide.mjs" {
  function loadPyodide(options: object): Promise<any>;
  const version: string;
}

// V8 has it everywhere.
declare function queueMicrotask(callback: () => void): void;

// python/realm.js makes these for python/boot.mjs.
declare class TextDecoder {
  decode(bytes: Uint8Array): string;
}
declare class TextEncoder {
  encode(text?: string): Uint8Array;
}
declare var __faas: import("./python/realm.js").Host | undefined;
declare var __faasBoot: Boot | undefined;
// What the engine calls.
declare var __faasEngine: Record<string, unknown>;
// What Pyodide looks for while it starts.
declare var read: ((path: string) => string) | undefined;
declare var readbuffer: ((path: string) => Uint8Array) | undefined;
declare var load: (() => never) | undefined;
declare var window: object | undefined;
