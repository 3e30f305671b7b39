// Files that came with an answer: pictures are shown, everything can be saved.

import type { OutputFile } from "./api.ts";
import { make } from "./dom.ts";
import { formatBytes } from "./format.ts";

/** By the first bytes, not by what the program calls it. SVG is text, so there the name decides. */
const SIGNATURES: [string, string][] = [
  ["\x89PNG\r\n\x1a\n", "image/png"],
  ["\xff\xd8\xff", "image/jpeg"],
  ["GIF87a", "image/gif"],
  ["GIF89a", "image/gif"],
];

function pictureType(name: string, binary: string): string | undefined {
  const known = SIGNATURES.find(([start]) => binary.startsWith(start));
  if (known) return known[1];
  if (binary.startsWith("RIFF") && binary.startsWith("WEBP", 8)) return "image/webp";
  return /\.svg$/i.test(name) ? "image/svg+xml" : undefined;
}

/** One file as a figure. */
function figureOf(artifact: OutputFile): HTMLElement {
  const name = String(artifact.name);
  let binary: string;
  try {
    binary = atob(artifact.content_base64);
  } catch {
    return make("figure", { class: "file" }, make("figcaption", {}, `${name}: not readable`));
  }
  const save = make(
    "button",
    { type: "button", class: "quiet", "aria-label": `Save ${name}` },
    "Save",
  );
  save.addEventListener("click", () => saveFile(name, binary));
  const caption = make(
    "figcaption",
    {},
    make("span", { class: "file-name" }, name),
    make("span", { class: "file-size" }, formatBytes(binary.length)),
    save,
  );
  const type = pictureType(name, binary);
  if (!type) return make("figure", { class: "file" }, caption);
  // As an image no script in it runs; as a data: address a browser does not open it as a page.
  const picture = make("img", { alt: `Picture ${name}` });
  picture.src = `data:${type};base64,${artifact.content_base64}`;
  return make("figure", { class: "file picture" }, picture, caption);
}

function saveFile(name: string, binary: string): void {
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  // Never a type that a browser would show as a page of this address.
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  const link = make("a", { href: url, download: name.split(/[\\/]/).at(-1) || "file" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** All files of an answer, pictures first. */
export function figuresOf(artifacts: OutputFile[]): HTMLElement[] {
  const figures = artifacts.map(figureOf);
  const isPicture = (figure: HTMLElement) => figure.classList.contains("picture");
  return [...figures.filter(isPicture), ...figures.filter((figure) => !isPicture(figure))];
}
