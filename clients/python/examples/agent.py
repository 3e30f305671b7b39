"""A loop in which a model writes programs, sees what they print and return, and tries again.

The model is scripted here, so that the example runs by itself: a call of a real one takes its place.
"""

from faas_client import Display, Faas, Stdout, StreamOptions

SALES = '[{"region": "North", "amounts": 70}, {"region": "South", "amounts": 50}]'
# What the model says after what it saw.
SCRIPT = [
    ("", "import json\ndata = json.load(open('sales.json'))\nprint(len(data), 'rows')"),
    ("2 rows", "sum(row['amount'] for row in data)"),
    ("KeyError: 'amount'", "print(data[0])\nsum(row['amounts'] for row in data)"),
    ("{'region': 'North', 'amounts': 70}\n120", "ANSWER: The total is 120."),
]


def model(turn: int, observation: str) -> str:
    expected, says = SCRIPT[turn]
    assert observation == expected, observation
    return says


def main() -> None:
    observation = ""
    options: StreamOptions = {"files": {"sales.json": SALES}, "keep": True, "timeout": 10}
    with Faas() as faas:
        for turn in range(10):
            said = model(turn, observation)
            print(said)
            if said.startswith("ANSWER: "):
                return
            seen = []
            with faas.stream(said, **options) as stream:
                for event in stream:
                    if isinstance(event, Stdout):
                        seen.append(event.text.strip())
                    elif isinstance(event, Display):
                        seen.append(event.result.text or "")
            result = stream.result
            observation = result.error.message if result.error else "\n".join(seen)
            # The next program goes on where the last good one ended.
            if result.ok and result.snapshot:
                options = {"from_snapshot": result.snapshot, "keep": True, "timeout": 10}


if __name__ == "__main__":
    main()
