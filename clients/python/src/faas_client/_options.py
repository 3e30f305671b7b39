"""What a caller may ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, Literal, TypedDict, Union

if TYPE_CHECKING:
    from ._models import Snapshot
    from ._tools import Tool

Language = Literal["python", "javascript", "typescript"]
Priority = Literal["urgent", "high", "normal", "low"]
#: How a program ended.
Status = Literal[
    "success",
    "error",
    "violation",
    "timeout",
    "cpu_limit",
    "memory_limit",
    "output_limit",
    "return_limit",
    "storage_limit",
    "killed",
]
#: The same in the history: also of a program whose caller hung up, or whose service ended.
Outcome = Union[Status, Literal["cancelled", "cut_off"]]
#: Whether a session has what its cell left.
CellState = Literal["kept", "unchanged"]
#: Why a batch stopped before its last row was answered.
BatchStopReason = Literal["setup", "stop_on", "total_timeout", "input", "shutting_down"]
#: A text, bytes, or the path of a file of this machine that is read.
FileContent = Union[str, bytes, "os.PathLike[str]"]


class Limits(TypedDict, total=False):
    """Limits that are lower than those of the service."""

    cpu_ms: int
    memory_bytes: int
    output_bytes: int
    return_bytes: int
    files_bytes: int
    storage_bytes: int


class StreamOptions(TypedDict, total=False):
    """What a program gets, and how it is run. All of it is optional."""

    #: Python if absent.
    language: Language
    #: Limit on its wall time, in seconds. The service has one if this is absent.
    timeout: float
    #: Who runs first when all workers are busy.
    priority: Priority
    #: Any JSON: the program finds it as `input_data`.
    input: Any
    #: What the program reads from its standard input.
    stdin: str
    #: `sys.argv[1:]` in Python, `args` in JavaScript.
    args: Sequence[str]
    #: Files for its working directory, by name.
    files: Mapping[str, FileContent]
    #: Instead of code: the name of the one of files that is the program.
    entry_point: str
    #: Patterns such as "*.csv": which files of its working directory come back.
    collect: Sequence[str]
    #: Python packages to install first.
    packages: Sequence[str]
    limits: Limits
    #: Whether what the program leaves is kept, for others to start from: RunResult.snapshot.
    keep: bool
    #: What the program starts from.
    from_snapshot: Snapshot | str
    #: The id of the session that the program is a cell of.
    session: str
    #: Random numbers of a program that starts from a snapshot.
    random: Literal["continue", "fresh"]
    #: Functions of the caller that the program may call: `tools.NAME(…)`.
    tools: Sequence[Callable[..., Any] | Tool]
    #: Whether RunResult.timings says where the time went.
    timings: bool
    #: For the caller's own use.
    ext: Mapping[str, str]


class RunOptions(StreamOptions, total=False):
    """Those of a program whose output does not come as a stream."""

    #: Sent again with the same options, a key gets the first answer. A new one is made if this is absent.
    idempotency_key: str


class SessionOptions(TypedDict, total=False):
    """What a session begins with. All of it is optional."""

    #: Python if absent.
    language: Language
    #: Python packages to install first.
    packages: Sequence[str]
    #: Files for its working directory, by name.
    files: Mapping[str, FileContent]
    #: What it begins with, instead of packages.
    from_snapshot: Snapshot | str
    #: By which Sessions.list finds it; no other of the caller's sessions may have it.
    name: str
    #: Seconds that it lives while nobody uses it. The service has a limit.
    idle_timeout: float
    #: Seconds that it lives in any case.
    lifetime: float


class BatchOptions(TypedDict, total=False):
    """How the rows of a batch are run. What StreamOptions has, too, is for each row."""

    #: A program that runs once, before the rows: each starts from what it left. packages and files are its.
    setup: str
    #: Instead of setup.
    from_snapshot: Snapshot | str
    #: "shared": many rows run one after the other in one process, with no wall between them.
    isolation: Literal["process", "shared"]
    #: Most rows that run at once.
    concurrency: int
    #: Which row ends the batch: one with the status "error", or any but "success".
    stop_on: Literal["error", "failure"]
    #: Limit on the time of the whole batch, in seconds.
    total_timeout: float
    #: "fresh" if absent.
    random: Literal["continue", "fresh"]
    #: "low" if absent: single requests go first.
    priority: Priority
    language: Language
    #: Limit on the wall time of a row, in seconds.
    timeout: float
    limits: Limits
    packages: Sequence[str]
    files: Mapping[str, FileContent]
    stdin: str
    args: Sequence[str]
    collect: Sequence[str]
    timings: bool
    ext: Mapping[str, str]
