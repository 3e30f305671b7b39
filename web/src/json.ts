// JSON for reading: laid out again without touching a literal, so that 12345678901234567890 stays it.

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** The text laid out in lines, or undefined if it is no JSON. */
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
      else if (token === "{" || token === "[") depth++;
    }
    previous = token;
  }
  return out;
}
