// Ends in values whose `then` and getters call back into the runner.
// Known from: thenable confusion in promise-based runners.
// timeout: 600
let calls = 0;
return { get then() { calls++; return calls > 100000 ? undefined : (resolve) => resolve({ then: (again) => again({ __proto__: null, then: (r) => r(calls) }) }); } };
