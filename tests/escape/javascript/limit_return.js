// Returns far more than may be returned.
// Known from: response size amplification.
// expect: return_limit
// timeout: 4000
return "x".repeat(50_000_000);
