import json
import re
import unicodedata


def normalise(text):
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"[^\w\s]", " ", text)
    return " ".join(text.split())


def grade(turn):
    given = normalise(turn["output"])
    wanted = [normalise(reference) for reference in turn["references"]]
    if given in wanted:
        return 1.0
    return 0.5 if any(reference in given for reference in wanted) else 0.0


scores = [grade(turn) for turn in input_data["turns"]]
print(json.dumps({"scores": scores, "score": sum(scores) / len(scores)}))
