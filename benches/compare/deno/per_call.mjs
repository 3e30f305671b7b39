// One Deno process per call: boots Pyodide, runs the one program, ends.
//
// deno run --allow-read per_call.mjs PYODIDE_DIRECTORY REQUEST_FILE [WHEEL_DIRECTORY]
import { boot, run, unpackWheels } from "./pyodide.mjs";

const [directory, request, wheels] = Deno.args;
const pyodide = await boot(directory);
if (wheels) unpackWheels(pyodide, wheels);
console.log(JSON.stringify(await run(pyodide, JSON.parse(Deno.readTextFileSync(request)))));
Deno.exit(0);
