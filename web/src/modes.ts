// What the page is: a notebook, one program, or a batch. The address says which; without, the one used last.

import { byId } from "./dom.ts";
import { browserStore } from "./storage.ts";

export const modes = ["notebook", "program", "batch"] as const;
export type Mode = (typeof modes)[number];

const KEY = "faas.mode";

function modeOf(fragment: string): Mode {
  // A shared program.
  if (fragment.startsWith("#code=")) return "program";
  const known = (name: string | undefined) => modes.find((mode) => mode === name);
  return known(fragment.slice(1)) ?? known(browserStore.get(KEY)) ?? "notebook";
}

/** Shows the mode of the address, now and whenever it changes. */
export function followModes(onMode: (mode: Mode) => void): void {
  const show = () => {
    const mode = modeOf(location.hash);
    document.body.dataset["mode"] = mode;
    for (const other of modes) {
      byId(`${other}-view`).hidden = other !== mode;
      const link = byId(`to-${other}`);
      if (other === mode) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    browserStore.set(KEY, mode);
    onMode(mode);
  };
  addEventListener("hashchange", show);
  show();
}
