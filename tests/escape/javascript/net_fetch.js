// Reaches a listener with every client that a web runtime may have.
// Known from: web platform APIs.
// expect: success
const url = "http://127.0.0.1:{{PORT}}/";
for (const source of [
  "fetch(url)", "new XMLHttpRequest().open('GET', url)", "new WebSocket(url.replace('http', 'ws'))", "new EventSource(url)",
  "navigator.sendBeacon(url, 'out')", "new Worker(url)", "new Worker('data:text/javascript,fetch(\"' + url + '\")', {type: 'module'})",
  "importScripts(url)", "new WebTransport(url)", "new WebSocketStream(url)", "Deno.connect({port: {{PORT}}})",
  "Deno.resolveDns('example.com', 'A')", "require('net').connect({{PORT}})", "import(url)", "import.source(url)",
  "WebAssembly.instantiateStreaming(fetch(url))", "new Request(url)", "fetch(new Request(url))", "new Image().src = url",
  "Bun.connect({port: {{PORT}}})", "new BroadcastChannel('x').postMessage('out')", "new RTCPeerConnection()", "Deno.listen({port: 0})",
]) {
  try {
    const late = new Promise((_, reject) => setTimeout(() => reject(new TypeError("late")), 50));
    late.catch(() => {});
    const value = await Promise.race([new Function("url", "return " + source)(url), late]);
    console.log(source, String(value).slice(0, 50));
  } catch (error) {
    console.log(error.name);
  }
}
