// Uses the client in a browser, on a page that has the service below its own address, as behind a proxy.
// Takes the address of the service; prints what the page saw as JSON.

import { createServer, request } from "node:http";
import { readFile } from "node:fs/promises";
import { launch } from "../../web/test/browser.mjs";

const [service] = process.argv.slice(2);
const dist = new URL(
  "../../target/clients/node/node_modules/faas-server-client/dist/",
  import.meta.url,
);

const server = createServer(async (incoming, answer) => {
  const { url, method, headers } = incoming;
  if (url.startsWith("/faas/")) {
    const upstream = request(service + url.slice("/faas".length), { method, headers });
    upstream.on("response", (response) => {
      answer.writeHead(response.statusCode, response.headers);
      response.pipe(answer);
    });
    upstream.on("error", () => answer.destroy());
    answer.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  } else if (url.endsWith(".js")) {
    answer
      .setHeader("Content-Type", "text/javascript")
      .end(await readFile(new URL(`.${url}`, dist)));
  } else {
    answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>A page</title>");
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await launch();
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const seen = await page.evaluate(async () => {
    const { Faas } = await import("/index.js");
    const faas = new Faas({ url: `${location.origin}/faas` });
    const code = "open('b', 'wb').write(open('a', 'rb').read() * 2)\ninput_data";
    const files = { a: new Uint8Array([0, 255]) };
    const result = await faas.run(code, { input: "é", files, collect: ["b"] });
    const events = [];
    for await (const event of faas.stream("print(1)\n2")) events.push(event.type);
    const left = faas.stream("print(1, flush=True)\nimport time; time.sleep(50)", {
      timeout: 60_000,
    });
    for await (const event of left) if (event.type === "stdout") break;
    while ((await faas.executions.list({ status: "cancelled" })).count === 0);
    const refused = await faas.snapshots.get("snap-0").catch((error) => error.name);
    const nowhere = new Faas({
      url: `${location.origin}/faas`,
      maxRetries: 0,
      fetch: () => fetch("http://127.0.0.1:9"),
    });
    const unreached = await nowhere.health().catch((error) => error.name);
    return [result.value, [...result.files.get("b").bytes], events, refused, unreached];
  });
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
