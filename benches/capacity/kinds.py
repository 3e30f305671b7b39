"""The kinds of executions that are measured, and how each is asked for."""

import dataclasses
import itertools
import json
from collections.abc import Callable

PANDAS = "import pandas as pd\nprint(pd.DataFrame({'a': [1, 2, 3]}).a.sum())"
FUNCTION = "def double(number): return number * 2"
ROWS_OF_A_FORK, ROWS_SHARED = 200, 4000


def run_code(**fields):
    return "/run_code", json.dumps(fields).encode()


def plain(**fields):
    return lambda _server: itertools.repeat(run_code(**fields))


def cells(server):
    """Cells of 16 sessions, in turn: a session runs one at a time."""
    sessions = [server.post("/sessions", {})["id"] for _ in range(16)]
    return itertools.cycle([run_code(code="1+1", session=session) for session in sessions])


def forks(server):
    kept = server.post("/run_code", {"code": FUNCTION, "keep": True})
    return itertools.repeat(run_code(code="double(1)", **{"from": kept["metadata"]["snapshot"]["id"]}))


def pandas(server):
    """The first answer waits for the set to be installed, which on a busy machine may take too long."""
    for _ in range(3):
        answer = server.post("/run_code", {"code": PANDAS})
        if answer["metadata"]["status"] == "success":
            return itertools.repeat(run_code(code=PANDAS))
    raise SystemExit(
        f"pandas cannot be had, see scripts/fetch-test-distribution: {answer['output']['stderr']}"
    )


def batch(rows, **fields):
    request = {"setup": FUNCTION, "program": "double(input_data)", "inputs": list(range(rows)), **fields}
    return lambda _server: itertools.repeat(("/run_batch", json.dumps(request).encode()))


@dataclasses.dataclass(frozen=True)
class Kind:
    title: str
    # Makes the requests; may prepare the server for them.
    requests: Callable
    # Executions that one request has.
    executions: int = 1
    connections: int = 4
    # Requests of a round.
    count: int = 300


KINDS = {
    "python": Kind("`print('hi')` in Python", plain(code="print('hi')")),
    "javascript": Kind(
        "`console.log('hi')` in JavaScript", plain(language="javascript", code="console.log('hi')"), count=500
    ),
    "pandas": Kind("a sum with pandas, from its package set", pandas, count=120),
    "cell": Kind("a cell of `1+1` in a session", cells),
    "fork": Kind("a program from a snapshot", forks),
    "row": Kind("a row of a batch, in a fork", batch(ROWS_OF_A_FORK), ROWS_OF_A_FORK, 1, 2),
    "shared_row": Kind(
        "a row of a batch, `shared`", batch(ROWS_SHARED, isolation="shared"), ROWS_SHARED, 1, 2
    ),
}
