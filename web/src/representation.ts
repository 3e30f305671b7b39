// One result, shown in the richest way that this page knows. What a program gives as a result is hostile: it
// becomes text nodes, pictures, or HTML in a frame of its own (frame.ts).

import { make } from "./dom.ts";
import { formatCount } from "./format.ts";
import { frameOf } from "./frame.ts";
import { tableOf } from "./table.ts";
import { readTable, TABLE } from "./tabledata.ts";
import { isBranch, treeOf } from "./tree.ts";

/** A result by media type: text, JSON, or base64. */
export type Data = Record<string, unknown>;

export interface Shown {
  element: HTMLElement;
  /** In a word, for its name. */
  kind: string;
  /** The picture's bytes. */
  base64?: string;
}

const PLAIN = "text/plain";
const HTML = "text/html";
const SVG = "image/svg+xml";
const CHART = "e2b/chart";
const PICTURES = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const JSONS = ["application/json", "application/geo+json"];
/** Charts as data, for scripts that draw them. */
const CHART_SCRIPTS =
  /^application\/vnd\.(?:plotly\.v\d+|vegalite\.v\d+|vega\.v\d+|bokeh\.item)[.+]json$/;
const SOURCES: Record<string, string> = { "text/markdown": "Markdown", "text/latex": "LaTeX" };

/** Longer HTML and SVG keep a browser busy for seconds. */
const MOST_MARKUP = 2_000_000;
const MOST_TEXT = 200_000;

/** In this order: the first that applies is it. */
const ways: ((data: Data, name: string) => Shown | undefined)[] = [
  showTable,
  showHtml,
  showSvg,
  showPicture,
  showJson,
  showSource,
];

/** The result in the richest way, called `name` and what it is. */
export function represent(data: Data, name: string): Shown {
  for (const way of ways) {
    const shown = way(data, name);
    if (shown) return shown;
  }
  return { kind: "text", element: plain(data) };
}

/** Whether there is nothing to show but text. */
export function isPlain(data: Data): boolean {
  return Object.keys(data).every((type) => type === PLAIN);
}

/** What a representation of this type is, if it is text. */
function text(data: Data, type: string): string | undefined {
  const content = Object.hasOwn(data, type) ? data[type] : undefined;
  return typeof content === "string" ? content : undefined;
}

function showTable(data: Data, name: string): Shown | undefined {
  const table = readTable(data[TABLE]);
  return table && { kind: "table", element: tableOf(table, `${name}, table`) };
}

function showHtml(data: Data, name: string): Shown | undefined {
  const html = text(data, HTML);
  // Beside a chart's data, HTML is the script that draws it, and would show nothing here.
  if (!html || html.length > MOST_MARKUP || chartScript(data)) return undefined;
  return { kind: "HTML", element: frameOf(html, `${name}, HTML`) };
}

function showSvg(data: Data): Shown | undefined {
  const svg = text(data, SVG);
  if (!svg || svg.length > MOST_MARKUP) return undefined;
  // Half of a pair of UTF-16 has no escape.
  const address = encodeURIComponent(svg.replace(/\p{Cs}/gu, "\ufffd"));
  return { kind: "picture", element: picture(`data:${SVG},${address}`, data) };
}

function showPicture(data: Data): Shown | undefined {
  for (const type of PICTURES) {
    const base64 = text(data, type);
    if (!base64) continue;
    return { kind: "picture", element: picture(`data:${type};base64,${base64}`, data), base64 };
  }
  return undefined;
}

/** As an image no script in it runs, and it asks for nothing. */
function picture(address: string, data: Data): HTMLElement {
  const image = make("img", {
    alt: titleOf(data) || text(data, PLAIN)?.slice(0, 300) || "Picture",
  });
  const figure = make("figure", { class: "file picture" }, image);
  image.addEventListener("error", () => image.replaceWith(plain(data)), { once: true });
  image.src = address;
  return figure;
}

/** The title of a chart whose data came with its picture. */
function titleOf(data: Data): string | undefined {
  const chart = data[CHART];
  if (!isBranch(chart) || !("title" in chart) || typeof chart.title !== "string") return undefined;
  return chart.title.slice(0, 300);
}

function showJson(data: Data, name: string): Shown | undefined {
  const type = chartScript(data) ?? JSONS.find((known) => Object.hasOwn(data, known));
  if (type === undefined) return undefined;
  const attributes = {
    class: "json",
    role: "group",
    "aria-label": `${name}, JSON`,
    tabindex: "0",
  };
  const box = make("div", attributes, treeOf(data[type]));
  const note = CHART_SCRIPTS.test(type) ? `Data of a chart: ${type}` : "JSON";
  return { kind: "JSON", element: noted(note, box) };
}

function chartScript(data: Data): string | undefined {
  return Object.keys(data).find((type) => CHART_SCRIPTS.test(type));
}

function showSource(data: Data): Shown | undefined {
  for (const [type, kind] of Object.entries(SOURCES)) {
    const source = text(data, type);
    if (source) return { kind, element: noted(kind, textBox(source)) };
  }
  return undefined;
}

/** The text that there should be of everything, else what there is instead. */
function plain(data: Data): HTMLElement {
  const content = text(data, PLAIN);
  if (content !== undefined) return textBox(content);
  const types = Object.keys(data).join(", ");
  return make("p", { class: "note" }, `Nothing that this page can show: ${types}`);
}

function textBox(content: string): HTMLElement {
  const left = content.length - MOST_TEXT;
  const rest = left > 0 ? `… and ${formatCount(left, "more character")}` : "";
  const attributes = { class: "text", role: "group", "aria-label": "Text", tabindex: "0" };
  return make("pre", attributes, content.slice(0, MOST_TEXT) + rest);
}

function noted(note: string, element: HTMLElement): HTMLElement {
  return make("div", {}, make("p", { class: "note" }, note), element);
}
