// Waits for a promise that nothing will ever settle.
// Known from: forgotten await.
// timeout: 800
console.log("waiting");
await new Promise(() => {});
