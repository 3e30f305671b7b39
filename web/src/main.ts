// The page at /: a notebook on sessions, one program, or a batch.

import { BatchView } from "./batch/view.ts";
import { byId } from "./dom.ts";
import { followModes, type Mode } from "./modes.ts";
import { PoolMonitor } from "./monitor.ts";
import { Notebook } from "./notebook/notebook.ts";
import { ProgramView } from "./program.ts";

const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";
let mode: Mode = "notebook";

const pool = new PoolMonitor(() => void notebook.checkSessions());
const program = new ProgramView(nonce, pool);
const notebook = new Notebook(nonce);
const batch = new BatchView(nonce);

followModes((next) => {
  mode = next;
  byId("share").hidden = mode !== "program";
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.defaultPrevented) return;
  event.preventDefault();
  if (mode === "program") program.run();
  else if (mode === "notebook") notebook.runSelected();
  else batch.tryRow();
});
if (/Mac|iPhone|iPad/.test(navigator.platform)) {
  for (const key of document.querySelectorAll(".mod-key")) key.textContent = "⌘";
}
