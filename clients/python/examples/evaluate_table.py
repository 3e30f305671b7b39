"""Scores the rows of a table with an evaluator that somebody else wrote, many rows at once.

The evaluator is set up once and kept; each row is scored in a fork of it, which no other row can change.
"""

import asyncio
import csv
import io

from faas_client import AsyncFaas, RunResult

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


async def main() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE)))
    async with AsyncFaas() as faas:
        prepared = (await faas.run(EVALUATOR, keep=True)).raise_for_error()
        if prepared.snapshot is None:
            raise SystemExit(f"the evaluator was not kept: {prepared.not_kept}")
        base = prepared.snapshot

        async def score(row: "dict[str, str]") -> RunResult:
            return await faas.run("score(input_data)", input=row, from_snapshot=base, timeout=5)

        results = await asyncio.gather(*map(score, rows))
        await faas.snapshots.delete(base)
    for row, result in zip(rows, results):
        print(f"{row['question']}: {result.error or result.value}")


if __name__ == "__main__":
    asyncio.run(main())
