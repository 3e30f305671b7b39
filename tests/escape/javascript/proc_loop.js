// Spins.
// Known from: while (true).
// expect: timeout
// timeout: 400
for (;;) { try { for (;;); } finally { continue; } }
