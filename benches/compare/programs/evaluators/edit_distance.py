import json


def distance(a, b):
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]


results = []
for output, reference in input_data["pairs"]:
    edits = distance(output, reference)
    longest = max(len(output), len(reference))
    results.append({"edits": edits, "similarity": round(1 - edits / longest, 3)})
print(json.dumps(results))
