// JSON as a tree that folds. A branch is built when it is opened, a long one in pieces.

import { make } from "./dom.ts";
import { formatCount } from "./format.ts";
import { Digits } from "./json.ts";

/** Children that a branch shows at once. */
const PIECE = 100;
/** So many lines are open at first. */
const FIRST_LINES = 40;
/** A string shows so many characters at first. */
const FIRST_CHARACTERS = 500;

type Entry = [key: string, value: unknown];

export function treeOf(value: unknown): HTMLElement {
  const lines = { left: FIRST_LINES };
  return make("ul", { class: "tree" }, item(undefined, value, lines, true));
}

/** Whether there is anything to fold. */
export function isBranch(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Digits);
}

function item(
  key: string | undefined,
  value: unknown,
  lines: { left: number },
  mustOpen = false,
): HTMLElement {
  const head = key === undefined ? [] : [make("span", { class: "key" }, key), ": "];
  if (!isBranch(value)) return make("li", {}, ...head, ...leaf(value));
  const entries = entriesOf(value);
  const size = Array.isArray(value)
    ? `[${formatCount(entries.length, "item")}]`
    : `{${formatCount(entries.length, "key")}}`;
  const sized = [...head, make("span", { class: "size" }, size)];
  if (entries.length === 0) return make("li", {}, ...sized);
  const branch = make("details", {}, make("summary", {}, ...sized));
  const build = (budget: { left: number }) => {
    const list = make("ul");
    branch.append(list);
    fill(list, entries, 0, budget);
  };
  if (mustOpen || entries.length <= lines.left) {
    lines.left -= Math.min(entries.length, PIECE);
    branch.open = true;
    build(lines);
  } else {
    branch.addEventListener("toggle", () => build({ left: 0 }), { once: true });
  }
  return make("li", {}, branch);
}

/** Adds a piece of the children, and a button if more are left. */
function fill(list: HTMLElement, entries: Entry[], from: number, lines: { left: number }): void {
  const end = Math.min(from + PIECE, entries.length);
  for (const [key, value] of entries.slice(from, end)) list.append(item(key, value, lines));
  const left = entries.length - end;
  if (left === 0) return;
  const next = formatCount(Math.min(left, PIECE), "more item");
  const more = make("button", { type: "button", class: "quiet small" }, `Show ${next}`);
  const line = make(
    "li",
    {},
    more,
    make("span", { class: "size" }, ` of ${left.toLocaleString("en")} left`),
  );
  more.addEventListener("click", () => {
    line.remove();
    fill(list, entries, end, { left: 0 });
    const first = list.children[end];
    if (!(first instanceof HTMLElement)) return;
    first.tabIndex = -1;
    first.focus();
  });
  list.append(line);
}

function entriesOf(value: object): Entry[] {
  if (Array.isArray(value)) return value.map((element, index) => [String(index), element]);
  const entries: Entry[] = value instanceof Map ? [...value] : Object.entries(value);
  return entries.map(([key, inner]) => [short(JSON.stringify(key)), inner]);
}

function leaf(value: unknown): HTMLElement[] {
  if (value instanceof Digits) return [make("span", { class: "tok-number" }, value.text)];
  if (typeof value !== "string") {
    return [make("span", { class: value === null ? "tok-null" : "tok-number" }, String(value))];
  }
  const whole = JSON.stringify(value);
  const text = make("span", { class: "tok-string" }, short(whole));
  if (whole.length <= FIRST_CHARACTERS) return [text];
  const more = make(
    "button",
    { type: "button", class: "quiet small" },
    `Show all ${formatCount(value.length, "character")}`,
  );
  more.addEventListener("click", () => {
    text.textContent = whole;
    text.tabIndex = -1;
    text.focus();
    more.remove();
  });
  return [text, more];
}

function short(text: string): string {
  return text.length > FIRST_CHARACTERS ? `${text.slice(0, FIRST_CHARACTERS)}…` : text;
}
