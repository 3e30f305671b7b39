// A small stream that unpacks to gigabytes.
// Known from: zip bombs.
// expect: success, error, memory_limit
// timeout: 10000
const zeros = new Uint8Array(1 << 20);
const packed = [];
const source = new ReadableStream({ pull(controller) { for (let i = 0; i < 64; i++) controller.enqueue(zeros); controller.close(); } });
for await (const chunk of source.pipeThrough(new CompressionStream("gzip"))) packed.push(chunk);
const bomb = await new Blob(packed).arrayBuffer();
console.log("packed", bomb.byteLength < 1e6);
const kept = [];
for (let i = 0; i < 30; i++) {
  for await (const chunk of new Blob([bomb]).stream().pipeThrough(new DecompressionStream("gzip"))) kept.push(chunk);
}
console.log("kept", kept.length);
