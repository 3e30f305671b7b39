import difflib
import json
import textwrap

before, after = input_data["before"].splitlines(), input_data["after"].splitlines()
matcher = difflib.SequenceMatcher(None, before, after)
changes = {"equal": 0, "replace": 0, "delete": 0, "insert": 0}
for tag, first, last, first_after, last_after in matcher.get_opcodes():
    changes[tag] += max(last - first, last_after - first_after)
diff = list(difflib.unified_diff(before, after, "before", "after", lineterm="", n=1))
print(textwrap.shorten(" / ".join(diff), 160))
print(json.dumps({"ratio": round(matcher.ratio(), 4), "changes": changes, "lines": len(diff)}))
