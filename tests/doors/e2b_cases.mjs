// What programs that use E2B's client for JavaScript do. test_e2b.py runs it with each version of it.

import assert from "node:assert/strict";
import { Sandbox } from "@e2b/code-interpreter";

const sandbox = await Sandbox.create({ metadata: { of: "javascript" }, envs: { NAME: "value" } });

const run = await sandbox.runCode("import os\nx = 20\nprint('out')\n(x + 1, os.environ['NAME'])");
assert.deepEqual([run.text, run.logs.stdout, run.error], ["(21, 'value')", ["out\n"], undefined]);
const { error } = await sandbox.runCode("1/0");
assert.deepEqual([error.name, error.value], ["ZeroDivisionError", "division by zero"]);
assert.match(error.traceback, /<cell 2>/);

const context = await sandbox.createCodeContext({ language: "typescript" });
const shown = await sandbox.runCode("const a: number = 5; display(a)", { context });
assert.equal(shown.results[0].text, "5");
assert.equal((await sandbox.listCodeContexts()).length, 2);
await sandbox.restartCodeContext(context);
await sandbox.removeCodeContext(context);

const lines = [];
await sandbox.runCode("for i in range(3): print(i, flush=True)", {
  onStdout: (message) => lines.push(message.line),
});
assert.equal(lines.join(""), "0\n1\n2\n");
await assert.rejects(sandbox.runCode("x = 2\nwhile True: pass", { timeoutMs: 500 }), /timed out/);
assert.equal((await sandbox.runCode("x")).text, "20");

const { files } = sandbox;
await files.write("dir/a.txt", "text é");
await files.write("b.bin", new Blob([new Uint8Array([0, 255])]));
await files.write([
  { path: "c.txt", data: "c" },
  { path: 'd "é.txt', data: "d" },
]);
assert.equal(await files.read("/home/user/dir/a.txt"), "text é");
assert.deepEqual([...(await files.read("b.bin", { format: "bytes" }))], [0, 255]);
assert.equal((await sandbox.runCode("open('/home/user/d \"é.txt').read()")).text, "'d'");
const names = (await files.list("/home/user")).map(({ name, type }) => `${name} ${type}`);
assert.deepEqual(names.sort(), [
  "b.bin file",
  "c.txt file",
  'd "é.txt file',
  "dir dir",
  "output dir",
]);
assert.equal(await files.exists("none"), false);
assert.equal(await files.makeDir("new"), true);
assert.equal((await files.rename("c.txt", "new/c.txt")).path, "/home/user/new/c.txt");
await files.remove("new/c.txt");
await assert.rejects(files.read("new/c.txt"), /No such file/);
await assert.rejects(files.read("/etc/passwd"), /no path of a file here/);
await assert.rejects(
  files.watchDir(".", () => {}),
  /cannot be watched/,
);
await assert.rejects(sandbox.commands.run("ls"), (error) => {
  assert.match(error.stderr, /there is no shell/);
  return error.exitCode === 127;
});
assert.equal((await sandbox.commands.run("pip install snowballstemmer")).exitCode, 0);

const found = await Sandbox.list({ query: { metadata: { of: "javascript" } } }).nextItems();
assert.deepEqual(
  found.map(({ sandboxId }) => sandboxId),
  [sandbox.sandboxId],
);
await sandbox.setTimeout(120_000);
const other = await Sandbox.connect(sandbox.sandboxId);
assert.equal((await other.runCode("x")).text, "20");
await sandbox.pause();
assert.equal(await sandbox.isRunning(), false);
await sandbox.connect();
if (sandbox.fork !== undefined) {
  for (const fork of await sandbox.fork({ count: 2 })) {
    assert.equal((await fork.runCode("x += 1; x")).text, "21");
    await fork.kill();
  }
}
assert.equal((await sandbox.runCode("x")).text, "20");

await sandbox.kill();
await assert.rejects(sandbox.runCode("1"), /was not found/);
await assert.rejects(files.list("."), /was not found/);
assert.equal(await sandbox.isRunning(), false);
console.log(JSON.stringify("done"));
// Timers of the client would keep it for a minute.
process.exit();
