// Runs programs of the host.
// Known from: Node's child_process, Deno.Command, process.binding("spawn_sync") and other CTF classics.
// expect: success
for (const source of [
  "require('child_process').execSync('touch {{MARK}}')", "process.mainModule.require('child_process').execSync('touch {{MARK}}')",
  "new Deno.Command('touch', {args: ['{{MARK}}']}).outputSync()", "process.binding('spawn_sync').spawn({file: 'touch'})",
  "Bun.spawnSync(['touch', '{{MARK}}'])", "os.system('touch', ['{{MARK}}'])", "os.exec(['touch', '{{MARK}}'])", "quit()",
  "Deno.run({cmd: ['touch', '{{MARK}}']})", "process.dlopen({exports: {}}, '{{WITNESS}}')", "Deno.dlopen('libc.so.6', {})",
  "globalThis.constructor.constructor('return process')().exit()", "Deno.exit(0)", "Deno.kill({{SUPERVISOR_PID}})", "process.kill({{SUPERVISOR_PID}})",
]) {
  try {
    console.log("ESCAPED:", source, new Function("return " + source)());
  } catch (error) {
    console.log(error.name);
  }
}
