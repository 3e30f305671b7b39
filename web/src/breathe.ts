// Long work in pieces, between which the browser does what else there is: a stream whose data is there goes on at
// once, before any click is heard.

const MOST_MS = 12;

/** To be awaited between two pieces: every so often the browser has its turn then. */
export class Breath {
  #since = performance.now();

  async take(): Promise<void> {
    if (performance.now() - this.#since < MOST_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    this.#since = performance.now();
  }
}
