// JSON for reading: laid out again without touching a literal, so that 12345678901234567890 stays it.

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Deeper, and indentation alone would be larger than what a browser can show. */
const MOST_NESTING = 500;

/** The text laid out in lines, or undefined if it is not JSON, or nests too deep to be read. */
export function layOutJson(text: string): string | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  let out = "";
  let depth = 0;
  let previous = "";
  const newLine = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(TOKENS)) {
    const opened = previous === "{" || previous === "[";
    if (token === "}" || token === "]") {
      depth--;
      out += opened ? token : newLine() + token;
    } else {
      if (opened) out += newLine();
      out += token;
      if (token === ",") out += newLine();
      else if (token === ":") out += " ";
      else if ((token === "{" || token === "[") && ++depth > MOST_NESTING) return undefined;
    }
    previous = token;
  }
  return out;
}

/** A number as it was written. JavaScript's own have 53 bits. */
export class Digits {
  constructor(readonly text: string) {}
}

/**
 * The value of a text that is JSON, for showing: numbers keep their digits, objects become maps, which keep
 * the order of their keys.
 */
export function readJson(text: string): unknown {
  const open: (unknown[] | Map<string, unknown>)[] = [];
  let key: string | undefined;
  let root: unknown;
  const put = (value: unknown) => {
    const around = open.at(-1);
    if (around instanceof Map) around.set(key ?? "", value);
    else if (around) around.push(value);
    else root = value;
    key = undefined;
  };
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "{" || token === "[") {
      const inner = token === "{" ? new Map<string, unknown>() : [];
      put(inner);
      open.push(inner);
    } else if (token === "}" || token === "]") {
      open.pop();
    } else if (token.startsWith('"')) {
      const string = JSON.parse(token) as string;
      if (key === undefined && open.at(-1) instanceof Map) key = string;
      else put(string);
    } else if (token !== "," && token !== ":") {
      put(/^[-\d]/.test(token) ? new Digits(token) : (JSON.parse(token) as unknown));
    }
  }
  return root;
}
