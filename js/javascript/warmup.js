// Takes the paths that most programs take, so that forks find their code compiled.
class Point {
  #id = 1;
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
  get id() {
    return this.#id;
  }
  toString() {
    return `(${this.x}, ${this.y})`;
  }
}
const numbers = Array.from({ length: 200 }, (_, i) => i * i);
const even = numbers.filter((n) => n % 2 === 0).map((n) => n / 2);
const total = numbers.reduce((sum, n) => sum + n, 0);
const counts = new Map();
for (const word of "the quick brown fox jumps over the lazy dog the end".split(" ")) {
  counts.set(word, (counts.get(word) ?? 0) + 1);
}
const sorted = [...counts].sort(([, a], [, b]) => b - a || 0);
const data = JSON.parse(JSON.stringify({ a: [1, 2.5, null, true], b: { c: "d\u00e9" } }, null, 2));
console.log(even.slice(0, 5), total, counts, new Set(numbers.slice(0, 3)), sorted[0]);
console.log(data, new Point(1, 2), String(new Point(3, 4)), [undefined, null, -0, 1n, Symbol("s")]);
console.log("%s is %d years and %i, %f, %j %o %O %%", "Bob", 42.5, 42.9, 1.5, { a: 1 }, [1], {
  b: 2,
});
console.log(new Error("shown"), [[1, [2, [3, [4]]]]], { f() {}, g: class A {} }, new Date(0), /x/g);
console.error("to stderr", { a: { b: { c: { d: 1 } } } });
console.table([
  { a: 1, b: "x" },
  { a: 2, c: true },
]);
console.info("joe@example.com".replace(/(\w+)@(\w+)\.com/, "$2 at $1"), "a1b22".match(/\d+/g));
try {
  null.property;
} catch (error) {
  console.log(error.name, error.message, error.stack.length);
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
await Promise.all([sleep(0), sleep(1), Promise.resolve(1)]);
queueMicrotask(() => {});
setImmediate(() => {});
const url = new URL("/path?q=1#x", "https://example.com");
url.searchParams.append("r", "a b");
const bytes = new TextEncoder().encode("héllo");
const text = new TextDecoder().decode(bytes);
const digest = await crypto.subtle.digest("SHA-256", bytes);
const copy = structuredClone({ when: new Date(0), list: [1, 2], map: new Map([[1, 2]]) });
console.log(url.href, text, new Uint8Array(digest).length, copy, btoa("hello"), atob("aGVsbG8="));
console.log(crypto.randomUUID().length, Math.random() < 1, performance.now() >= 0);
console.log(new Intl.NumberFormat("en-US").format(1234567.891), (1234.5).toLocaleString());
console.log(
  new Date(0).toISOString(),
  new Date(0).toLocaleDateString("en-US", { timeZone: "UTC" }),
);
const controller = new AbortController();
controller.signal.addEventListener("abort", () => {});
controller.abort();
const blob = await new Blob(["a", bytes]).text();
const { value } = await new ReadableStream({ start: (c) => c.enqueue(1) }).getReader().read();
return_val({ total, blob, value, ok: true });
return null;
