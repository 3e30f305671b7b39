// Sends the host's objects through message channels, and floods them.
// Known from: deno_web's message ports, which are host resources.
// timeout: 3000
try {
  const { port1, port2 } = new MessageChannel();
  for (const value of [globalThis, port1, console.log, new Proxy({}, {})]) {
    try { port1.postMessage(value, [value]); } catch (error) { console.log(error.name); }
  }
  port2.onmessage = (event) => { if (event.data?.ops) console.log("ESCAPED: ops"); };
  for (let i = 0; i < 1000; i++) port1.postMessage(new ArrayBuffer(1000));
  const many = [];
  for (let i = 0; i < 2000; i++) many.push(new MessageChannel());
  console.log(many.length);
  port1.close();
  port2.close();
} catch (error) {
  console.log(error.name);
}
