// Top-level await, and output that arrives while the program runs.
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const started = performance.now();
for (const name of ["first", "second", "third"]) {
  await sleep(500);
  console.log(`${((performance.now() - started) / 1000).toFixed(1)} s  ${name}`);
}

const bytes = new TextEncoder().encode("sandbox");
const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
