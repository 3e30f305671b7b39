// Nests source text, JSON and patterns far deeper than any parser's stack.
// Known from: stack exhaustion in recursive descent parsers.
// expect: success
// timeout: 6000
const attempt = (name, what) => { try { what(); console.log(name, "done"); } catch (error) { console.log(name, error.name); } };
attempt("json", () => JSON.parse("[".repeat(1e6)));
attempt("json objects", () => JSON.parse('{"a":'.repeat(1e5)));
attempt("regex", () => new RegExp("(".repeat(1e5) + ")".repeat(1e5)));
attempt("lookahead", () => new RegExp("(?=".repeat(1e4) + ")".repeat(1e4)).test("x"));
attempt("classes", () => new RegExp("[" .repeat(1e5) + "]".repeat(1e5), "v"));
for (const piece of ["(", "[", "{", "`${", "()=>", "!", "a.", "new ", "class A extends ", "async()=>", "x?", "-", "typeof "]) {
  attempt("source " + piece, () => (0, eval)(piece.repeat(1e5)));
}
attempt("url", () => new URL("http://" + "a.".repeat(1e6)));
attempt("search", () => new URLSearchParams("a=".repeat(1e6)));
attempt("base64", () => atob("A".repeat(1e7 + 1)));
