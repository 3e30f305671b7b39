// Files that came with an answer: pictures are shown, everything can be saved.

import type { OutputFile } from "./api.ts";
import { button, make } from "./dom.ts";
import { formatBytes } from "./format.ts";
import { bytesOf, saveFile } from "./save.ts";

/** By the first bytes, not by what the program calls it. SVG is text, so there the name decides. */
const SIGNATURES: [string, string][] = [
  ["\x89PNG\r\n\x1a\n", "image/png"],
  ["\xff\xd8\xff", "image/jpeg"],
  ["GIF87a", "image/gif"],
  ["GIF89a", "image/gif"],
];

function pictureType(name: string, bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  const known = SIGNATURES.find(([signature]) => start.startsWith(signature));
  if (known) return known[1];
  if (start.startsWith("RIFF") && start.startsWith("WEBP", 8)) return "image/webp";
  return /\.svg$/i.test(name) ? "image/svg+xml" : undefined;
}

/** One file as a figure. */
function figureOf(artifact: OutputFile): HTMLElement {
  const name = String(artifact.name);
  const caption = captionOf(artifact);
  const bytes = bytesOf(artifact.content_base64);
  const type = bytes && pictureType(name, bytes);
  if (!type) return make("figure", { class: "file" }, caption);
  // As an image no script in it runs; as a data: address a browser does not open it as a page.
  const picture = make("img", { alt: `Picture ${name}` });
  picture.src = `data:${type};base64,${artifact.content_base64}`;
  return make("figure", { class: "file picture" }, picture, caption);
}

/** A file's name and size, and the button that saves it. */
export function captionOf(artifact: OutputFile): HTMLElement {
  const name = String(artifact.name);
  const bytes = bytesOf(artifact.content_base64);
  if (!bytes) return make("figcaption", {}, `${name}: not readable`);
  const save = button("Save", () => saveFile(name, bytes), {
    class: "quiet",
    "aria-label": `Save ${name}`,
  });
  return make(
    "figcaption",
    {},
    make("span", { class: "file-name" }, name),
    make("span", { class: "file-size" }, formatBytes(bytes.length)),
    save,
  );
}

/** All files of an answer, pictures first. */
export function figuresOf(artifacts: OutputFile[]): HTMLElement[] {
  const figures = artifacts.map(figureOf);
  const isPicture = (figure: HTMLElement) => figure.classList.contains("picture");
  return [...figures.filter(isPicture), ...figures.filter((figure) => !isPicture(figure))];
}
