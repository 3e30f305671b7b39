# Nests source text, literals and patterns far deeper than any parser's stack.
# Known from: CPython's crashers; CVE-2022-48560's family.
# timeout: 5000
import ast, json, re, xml.etree.ElementTree

depth = 100_000
for name, parse in {
    "parentheses": lambda: compile("(" * depth + ")" * depth, "x", "eval"),
    "lists": lambda: ast.literal_eval("[" * depth + "]" * depth),
    "operators": lambda: eval("-" * depth + "1"),
    "not": lambda: eval("not " * depth + "1"),
    "attributes": lambda: compile("a" + ".a" * depth, "x", "eval"),
    "calls": lambda: compile("a" + "()" * depth, "x", "eval"),
    "indent": lambda: compile("".join(" " * n + "if 1:\n" for n in range(2000)), "x", "exec"),
    "f-strings": lambda: compile("f'{" * 1000 + "1" + "}'" * 1000, "x", "eval"),
    "lambda": lambda: compile("lambda:" * depth + "1", "x", "eval"),
    "json": lambda: json.loads("[" * depth),
    "json objects": lambda: json.loads('{"a":' * depth),
    "regex": lambda: re.compile("(" * 20_000 + ")" * 20_000),
    "regex look": lambda: re.compile("(?=" * 20_000 + ")" * 20_000),
    "xml": lambda: xml.etree.ElementTree.fromstring("<a>" * depth + "</a>" * depth),
}.items():
    try:
        parse()
        print(name, "parsed")
    except BaseException as error:
        print(name, type(error).__name__)
