# Scores a model's answer against a reference. The request's "input" is at hand
# as input_data; whatever return_val gets is the answer's ret_val.
import difflib
import re


def normalize(text):
    return re.sub(r"\W+", " ", text).strip().casefold()


def score(output, reference):
    output, reference = normalize(output), normalize(reference)
    if output == reference:
        return 1.0
    return round(difflib.SequenceMatcher(None, output, reference).ratio(), 3)


turns = input_data["turns"]
scores = [score(turn["output"], turn["reference"]) for turn in turns]
for turn, value in zip(turns, scores, strict=True):
    print(f"{value:5.3f}  {turn['output']!r}")

mean = sum(scores) / len(scores)
return_val({
    "score": round(mean, 3),
    "passed": mean >= input_data["threshold"],
    "reason": f"{sum(s == 1.0 for s in scores)} of {len(scores)} match exactly",
})
