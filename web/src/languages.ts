// The languages of programs, in the order in which the page names them.

import type { Language } from "./api.ts";
import { make } from "./dom.ts";

const names: Record<Language, string> = {
  python: "Python",
  javascript: "JavaScript",
  typescript: "TypeScript",
};

export const languages = Object.keys(names) as Language[];

export function isLanguage(name: string): name is Language {
  return Object.hasOwn(names, name);
}

/** Has a list offer them all. */
export function offerLanguages(list: HTMLSelectElement): void {
  list.replaceChildren(...languages.map((value) => make("option", { value }, names[value])));
}
