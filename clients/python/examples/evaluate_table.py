"""Scores the rows of a table with an evaluator that somebody else wrote, many rows at once.

The evaluator is set up once; each row is scored in a fork of it, which no other row can change. Rows are sent
as they are read, and scores come as they are made: the table may have any length.
"""

import csv
import io

from faas_client import Faas

TABLE = """question,answer,expected
2 + 2,4,4
capital of France,Lyon,Paris
3 * 3,"nine",9
"""

# What an untrusted author wrote: it fails for a row, and shows how that is told.
EVALUATOR = """
import re

calls = 0

def score(row):
    global calls
    calls += 1
    if not re.fullmatch(r"[A-Z0-9].*", row["answer"]):
        raise ValueError(f"not an answer: {row['answer']}")
    return {"score": float(row["answer"] == row["expected"]), "calls": calls}
"""


def main() -> None:
    rows = csv.DictReader(io.StringIO(TABLE))
    with Faas() as faas, faas.run_batch("score(input_data)", rows, setup=EVALUATOR, timeout=5) as batch:
        # In the order of the table: they come in the order in which they end.
        for row in sorted(batch, key=lambda row: row.index):
            print(f"row {row.index}: {row.error or row.value}")
        print(f"{batch.summary.succeeded} of {batch.summary.rows} were scored")


if __name__ == "__main__":
    main()
