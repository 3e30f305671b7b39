console.log("Hello from JavaScript");
console.warn("A warning goes to stderr.");
console.log({ nested: { list: [1, 2, 3] }, map: new Map([["key", "value"]]) });

// What the top level returns is the return value.
return { answer: 6 * 7, at: new Date().toISOString() };
