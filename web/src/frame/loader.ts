// The one script of the frame in which HTML of programs is shown. It gets that HTML from the page, and
// tells the page how tall it is.
//
// What holds is the frame's policy (frame-csp.txt): it runs no other script, asks no address, has no
// origin. What is taken out here would do nothing, or lead the frame away from what it shows.

/** What the page is told. It believes none of it. */
export interface FrameReport {
  height: number;
  /** Whether there were scripts, which do not run. */
  hadScripts: boolean;
}

const UNWANTED = "script, iframe, frame, frameset, object, embed, base, meta, link";
const LINKS = "a, area";
const LINK_ATTRIBUTES = ["href", "xlink:href", "target", "ping"];

function take(event: MessageEvent): void {
  const [port] = event.ports;
  if (event.source !== parent || typeof event.data !== "string" || !port) return;
  removeEventListener("message", take);
  const parsed = new DOMParser().parseFromString(event.data, "text/html");
  const hadScripts = parsed.querySelector("script") !== null;
  clean(parsed);
  const shown = document.createElement("div");
  shown.id = "shown";
  // Styles at the beginning are put into the head by the parser.
  for (const part of [parsed.head, parsed.body]) {
    while (part.firstChild) shown.append(part.firstChild);
  }
  document.body.append(shown);
  new ResizeObserver(() => {
    const report: FrameReport = { height: shown.getBoundingClientRect().height, hadScripts };
    port.postMessage(report);
  }).observe(shown);
}

function clean(parsed: Document): void {
  for (const element of parsed.querySelectorAll(UNWANTED)) element.remove();
  for (const link of parsed.querySelectorAll(LINKS)) {
    for (const name of LINK_ATTRIBUTES) link.removeAttribute(name);
  }
  for (const element of parsed.querySelectorAll("*")) {
    for (const name of element.getAttributeNames()) {
      if (name.startsWith("on")) element.removeAttribute(name);
    }
  }
}

addEventListener("message", take);
// An animation in SVG can give a link its address back.
for (const kind of ["click", "auxclick"]) {
  addEventListener(
    kind,
    (event) => {
      if (event.target instanceof Element && event.target.closest(LINKS)) event.preventDefault();
    },
    { capture: true },
  );
}
