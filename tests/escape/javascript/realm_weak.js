// Watches the garbage collector for objects of the host, through weak references and finalizers.
// Known from: WeakRef-based membrane attacks.
// timeout: 3000
const references = [];
for (let i = 0; i < 1000; i++) references.push(new WeakRef({ i }));
let pressure = [];
for (let i = 0; i < 200; i++) pressure = [new Uint8Array(1 << 20), pressure.length];
await new Promise((resolve) => setTimeout(resolve, 50));
for (const reference of references) { const value = reference.deref(); if (value && (value.ops || value.core)) console.log("ESCAPED: ops"); }
console.log(references.length);
