// HTML of programs. It is shown in a frame of its own, which has no origin and runs no script of it:
// frame/loader.ts in there, frame-csp.txt around it.

import { byId, make } from "./dom.ts";
import type { FrameReport } from "./frame/loader.ts";

/** Higher, in CSS pixels, and the frame scrolls. */
const TALLEST = 600;

/** The frame for a text of HTML, with a note if scripts belong to it. */
export function frameOf(html: string, name: string): HTMLElement {
  const template = byId<HTMLTemplateElement>("html-frame");
  const copy = document.importNode(template.content, true);
  const frame = copy.querySelector("iframe");
  if (!frame) throw new Error("the page has no frame to show HTML in");
  frame.title = name;
  const note = make("p", { class: "note" }, "It has scripts, which do not run here.");
  note.hidden = true;
  // Also when it loads again, as when it is put elsewhere in the page.
  frame.addEventListener("load", () => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<Partial<FrameReport> | null>) => {
      const height = data?.height;
      if (typeof height === "number" && height >= 0) {
        frame.style.height = `${Math.min(Math.ceil(height), TALLEST)}px`;
      }
      note.hidden = data?.hadScripts !== true;
    };
    // To any origin, since the frame has none that could be named.
    frame.contentWindow?.postMessage(html, "*", [port2]);
  });
  return make("div", { class: "html" }, frame, note);
}
