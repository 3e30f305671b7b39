// The states that a session can go back to, as the page saw them come: what a step back changes is told from what was
// listed in each.

import { formatCount } from "../format.ts";
import type { FileOfSession, Session, Variables } from "../sessions.ts";

/** What is in a state. */
export interface Listing {
  variables: Variables;
  files: FileOfSession[];
}

/** A state of the session. */
interface Head {
  /** The last cell in it. */
  cell: number;
  /** If it was asked for. */
  listing?: Listing;
}

/** What a step back does to a variable or a file. */
export interface Difference {
  name: string;
  what: "comes back" | "goes" | "changes";
  /** How it is, and how it will be; empty if it is not there. */
  now: string;
  then: string;
}

export class Heads {
  /** The last is the present one. */
  #heads: Head[] = [];

  /** The session is like this now; `isFile` if it was a file that changed. */
  follow({ cells, undo_steps }: Session, isFile = false): void {
    const last = this.#heads.at(-1);
    if (!last || cells < last.cell) this.#goBackTo(cells);
    else if (cells > last.cell || isFile) this.#heads.push({ cell: cells });
    // What was there before the page was is not known, but that it was there.
    while (this.#heads.length <= undo_steps) {
      this.#heads.unshift({ cell: Math.max(0, (this.#heads[0]?.cell ?? cells) - 1) });
    }
    this.#heads = this.#heads.slice(-undo_steps - 1);
  }

  /** One step was taken back. */
  stepBack(): void {
    this.#heads.pop();
  }

  clear(): void {
    this.#heads = [];
  }

  /** What the present state has. */
  list(listing: Listing): void {
    const last = this.#heads.at(-1);
    if (last) last.listing = listing;
  }

  /** The cell after which the session would be, one step back. */
  get previous(): number | undefined {
    return this.#heads.at(-2)?.cell;
  }

  /** Whether the session can go back to after this cell. */
  isKept(cell: number): boolean {
    return this.#heads.slice(0, -1).some((head) => head.cell === cell);
  }

  /** What a step back changes, variables and then files; undefined if that is not known. */
  get differences(): Difference[] | undefined {
    const [then, now] = [this.#heads.at(-2)?.listing, this.#heads.at(-1)?.listing];
    if (!then || !now) return undefined;
    const variables = ({ variables }: Listing) =>
      new Map(variables.variables.map(({ name, repr }) => [name, repr]));
    const files = ({ files }: Listing) =>
      new Map(files.map(({ name, size }) => [name, formatCount(size, "byte")]));
    return [...compare(variables(now), variables(then)), ...compare(files(now), files(then))];
  }

  #goBackTo(cell: number): void {
    while (this.#heads.length > 0 && (this.#heads.at(-1)?.cell ?? 0) > cell) this.#heads.pop();
    if (this.#heads.at(-1)?.cell !== cell) this.#heads = [{ cell }];
  }
}

function compare(now: Map<string, string>, then: Map<string, string>): Difference[] {
  const changed = [...now].flatMap(([name, value]): Difference[] => {
    const before = then.get(name);
    if (before === undefined) return [{ name, what: "goes", now: value, then: "" }];
    return before === value ? [] : [{ name, what: "changes", now: value, then: before }];
  });
  const back = [...then].flatMap(([name, value]): Difference[] =>
    now.has(name) ? [] : [{ name, what: "comes back", now: "", then: value }],
  );
  return [...changed, ...back];
}
