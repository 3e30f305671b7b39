// One long-lived Deno process that reuses one Pyodide, without isolation: a request per line on
// stdin, an answer per line on stdout.
//
// deno run --allow-read resident.mjs PYODIDE_DIRECTORY [WHEEL_DIRECTORY]
import { boot, run, unpackWheels } from "./pyodide.mjs";

const [directory, wheels] = Deno.args;
const pyodide = await boot(directory);
if (wheels) unpackWheels(pyodide, wheels);

const encoder = new TextEncoder();
function answer(value) {
  Deno.stdout.writeSync(encoder.encode(JSON.stringify(value) + "\n"));
}

answer({ status: "ready" });
let pending = "";
for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (pending + piece).split("\n");
  pending = lines.pop();
  for (const line of lines) answer(await run(pyodide, JSON.parse(line)));
}
