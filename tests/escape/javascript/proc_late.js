// Leaves timers, listeners, finalizers and promises behind that would act after the end.
// Known from: callbacks that fire in the next request of a reused worker.
// timeout: 1000
addEventListener?.("unload", () => { for (;;); });
addEventListener?.("beforeunload", () => console.log("ESCAPED: unload"));
new FinalizationRegistry(() => console.log("ESCAPED: a finalizer ran late")).register({}, 1);
const timer = setInterval(() => {}, 50);
setTimeout(() => { clearInterval(timer); console.log("the last one"); }, 150);
