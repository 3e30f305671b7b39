// Math.random for forked realms. V8 keeps its generator's state and a cache of drawn numbers in
// the isolate, so every fork of a zygote would draw the same ones; V8 has no call to reseed them.

// xoshiro128** 1.1 by Blackman and Vigna (public domain), https://prng.di.unimi.it/
/** @param {(array: Uint32Array<ArrayBuffer>) => Iterable<number>} fill */
export function createRandom(fill) {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;

  function reseed() {
    [a, b, c, d] = fill(new Uint32Array(4));
    if ((a | b | c | d) === 0) a = 1;
  }

  function next32() {
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  }

  reseed();
  // A property gives the function its name: programs see `Math.random.name`.
  const random = { random: () => ((next32() >>> 5) * 0x4000000 + (next32() >>> 6)) / 2 ** 53 };
  return { random: random.random, reseed };
}
