class LRUCache {
  #max; #map = new Map(); hits = 0; misses = 0;
  constructor(max) { this.#max = max; }
  get(key) { if (!this.#map.has(key)) { this.misses++; return undefined; } const value = this.#map.get(key); this.#map.delete(key); this.#map.set(key, value); this.hits++; return value; }
  set(key, value) { this.#map.delete(key); this.#map.set(key, value); if (this.#map.size > this.#max) this.#map.delete(this.#map.keys().next().value); return this; }
  *[Symbol.iterator]() { yield* this.#map; }
  get size() { return this.#map.size; }
  toJSON() { return Object.fromEntries(this.#map); }
}
const cache = new LRUCache(3); cache.set('a', 1).set('b', 2).set('c', 3); cache.get('a'); cache.set('d', 4);
console.log([...cache], cache.size, cache.get('b'), JSON.stringify(cache), cache);
let seed = 7; const rnd = (n) => (seed = (seed * 16807) % 2147483647) % n; for (let i = 0; i < 10000; i++) { const k = 'k' + rnd(6); if (cache.get(k) === undefined) cache.set(k, i); } console.log(cache.hits, cache.misses, cache.size);
