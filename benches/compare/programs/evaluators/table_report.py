import collections
import csv
import io
import json
import statistics

groups = collections.defaultdict(list)
for row in csv.DictReader(io.StringIO(input_data["csv"])):
    groups[row["model"], row["task"]].append((float(row["score"]), int(row["tokens"])))
table = []
for (model, task), entries in sorted(groups.items()):
    scores = [score for score, _ in entries]
    table.append(
        {
            "model": model,
            "task": task,
            "runs": len(entries),
            "mean": round(statistics.fmean(scores), 3),
            "best": max(scores),
            "tokens": sum(tokens for _, tokens in entries),
        }
    )
for line in table:
    print(f"{line['model']:<8}|{line['task']:>10}|{line['mean']:7.3f}|{line['tokens']:>8,}")
print(json.dumps(table))
