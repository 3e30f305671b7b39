// Spins in one BigInt multiplication.
// Known from: V8's BigInt arithmetic.
// expect: timeout, error
// timeout: 500
let n = 3n;
for (;;) n = n ** 3n % (1n << 30000000n);
