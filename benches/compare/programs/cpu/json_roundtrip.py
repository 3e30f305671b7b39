# Encoding and decoding nested data, in the standard library's json (the family "json").
import json

record = {
    "id": 0,
    "name": "Ada Lovelace",
    "note": 'quotes " and backslashes \\ and \u00fc\u4e2d',
    "scores": [round(index * 0.37, 2) for index in range(40)],
    "flags": {f"flag_{index}": index % 3 == 0 for index in range(20)},
    "children": [{"id": index, "tags": ["alpha", "beta", None]} for index in range(15)],
}
size = 0
for index in range(2500):
    record["id"] = index
    text = json.dumps(record)
    copy = json.loads(text)
    size += len(text) + len(copy["children"])
pretty = json.dumps([record] * 40, indent=2, sort_keys=True, ensure_ascii=False)
print(size, len(pretty), json.loads(pretty)[39] == json.loads(text))
