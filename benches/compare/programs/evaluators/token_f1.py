import collections
import json
import re


def tokens(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def f1(output, reference):
    given, wanted = collections.Counter(tokens(output)), collections.Counter(tokens(reference))
    common = sum((given & wanted).values())
    if not common:
        return 0.0
    precision, recall = common / sum(given.values()), common / sum(wanted.values())
    return 2 * precision * recall / (precision + recall)


rows = [{"id": pair["id"], "f1": round(f1(pair["output"], pair["reference"]), 4)} for pair in input_data]
rows.sort(key=lambda row: (-row["f1"], row["id"]))
print(json.dumps({"rows": rows, "mean": round(sum(row["f1"] for row in rows) / len(rows), 4)}))
