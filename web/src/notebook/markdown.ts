// Text cells: the part of Markdown that notes are written in. What it does not know is shown as it was written,
// HTML too.

import { make } from "../dom.ts";

const INLINE =
  /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\*([^*\n]+)\*|\[([^[\]\n]{1,1000})\]\((https?:\/\/[^\s()[\]]{1,2000})\)/g;
/** A text that is longer is shown as it is. */
const MOST = 20_000;

export function renderMarkdown(text: string): HTMLElement {
  const box = make("div", { class: "markdown" });
  if (text.length > MOST) {
    box.append(make("pre", {}, text));
    return box;
  }
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? "";
    const heading = /^(#{1,4}) +(.+)$/.exec(line);
    if (line.trim() === "") {
      at++;
    } else if (line.startsWith("```")) {
      const end = lines.indexOf("```", at + 1);
      const until = end < 0 ? lines.length : end;
      box.append(make("pre", {}, lines.slice(at + 1, until).join("\n")));
      at = until + 1;
    } else if (heading) {
      // The page has a title and its parts have theirs: those of cells are below.
      const level = Math.min((heading[1] ?? "").length + 2, 6) as 3 | 4 | 5 | 6;
      box.append(make(`h${level}`, {}, ...inline(heading[2] ?? "")));
      at++;
    } else {
      const marker = /^\s*(?:[-*]|(\d+)\.) /;
      const isList = marker.test(line);
      const block: string[] = [];
      for (; at < lines.length; at++) {
        const next = lines[at] ?? "";
        const ends = /^\s*$|^```|^#{1,4} /.test(next) || marker.test(next) !== isList;
        // Its first line is in it, whatever it looks like.
        if (block.length > 0 && ends) break;
        block.push(next);
      }
      if (isList) box.append(listOf(block, marker));
      else box.append(make("p", {}, ...inline(block.join("\n"))));
    }
  }
  return box;
}

function listOf(lines: string[], marker: RegExp): HTMLElement {
  const isNumbered = marker.exec(lines[0] ?? "")?.[1] !== undefined;
  const items = lines.map((line) => make("li", {}, ...inline(line.replace(marker, ""))));
  return make(isNumbered ? "ol" : "ul", {}, ...items);
}

function inline(text: string): (Node | string)[] {
  const parts: (Node | string)[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(end, match.index));
    const [whole, code, strong, emphasis, link, address] = match;
    if (code !== undefined) parts.push(make("code", {}, code));
    else if (strong !== undefined) parts.push(make("strong", {}, strong));
    else if (emphasis !== undefined) parts.push(make("em", {}, emphasis));
    else parts.push(linkTo(address ?? "", link ?? ""));
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function linkTo(address: string, text: string): HTMLElement {
  const attributes = {
    href: address,
    target: "_blank",
    rel: "noopener noreferrer",
    title: address,
  };
  return make("a", attributes, text);
}
