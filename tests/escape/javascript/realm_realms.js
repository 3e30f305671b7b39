// Makes other realms, contexts and threads.
// Known from: iframes, vm.createContext, ShadowRealm, Worker.
// expect: success
for (const source of [
  "new ShadowRealm().evaluate('typeof Deno')", "new ShadowRealm().importValue('{{WITNESS}}', 'x')", "new Worker('data:text/javascript,1')",
  "require('vm').runInNewContext('1')", "new Compartment().evaluate('1')", "Deno.core.createContext()", "new SharedWorker('x')", "open('x')",
  "document.createElement('iframe')", "new AudioWorklet()", "Realm.createAllowCrossRealmAccess()",
]) {
  try { console.log("ESCAPED:", source, new Function("return " + source)()); } catch (error) { console.log(error.name); }
}
try { console.log(typeof structuredClone(globalThis)); } catch (error) { console.log(error.name); }
