// What the browser keeps. It may refuse to, or be full: then things are kept for as long as the page is open.

class Store {
  readonly #area: () => Storage;
  readonly #memory = new Map<string, string>();

  /** `area` throws where storage is denied. */
  constructor(area: () => Storage) {
    this.#area = area;
  }

  get(key: string): string | undefined {
    const here = this.#memory.get(key);
    if (here !== undefined) return here;
    try {
      return this.#area().getItem(key) ?? undefined;
    } catch {
      return undefined;
    }
  }

  /** Says whether it is kept longer than the page is open. */
  set(key: string, value: string): boolean {
    try {
      this.#area().setItem(key, value);
      this.#memory.delete(key);
      return true;
    } catch {
      this.#memory.set(key, value);
      return false;
    }
  }
}

/** Until the tab closes. */
export const tabStore = new Store(() => sessionStorage);
/** Longer than that. */
export const browserStore = new Store(() => localStorage);

/** The JSON that is kept under a key; undefined without one. */
export function readKept(store: Store, key: string): unknown {
  try {
    return JSON.parse(store.get(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}
