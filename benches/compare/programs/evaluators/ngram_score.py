import collections
import json
import math


def ngrams(words, size):
    return collections.Counter(zip(*(words[start:] for start in range(size))))


def score(output, references):
    words = output.split()
    logarithms = []
    for size in range(1, 5):
        given = ngrams(words, size)
        best = collections.Counter()
        for reference in references:
            best |= ngrams(reference.split(), size)
        matched = sum((given & best).values())
        logarithms.append(math.log((matched + 1) / (sum(given.values()) + 1)))
    closest = min((abs(len(reference.split()) - len(words)), len(reference.split())) for reference in references)[1]
    penalty = min(0.0, 1 - closest / len(words))
    return math.exp(penalty + sum(logarithms) / 4)


print(json.dumps({case["id"]: round(score(case["output"], case["references"]), 4) for case in input_data["cases"]}))
