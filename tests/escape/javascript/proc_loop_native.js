// Spins within single native calls: regular expressions, sorting, joining, BigInt.
// Known from: calls that check for interrupts seldom.
// expect: timeout
// timeout: 400
for (;;) { /^(a|a|aa)+$/.test("a".repeat(50) + "!"); }
