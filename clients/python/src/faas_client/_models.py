"""What the service answers, as docs/openapi.json describes it: tests/clients compares the two.

Fields that a newer service adds are left out.
"""

import base64
import dataclasses
import functools
import json
import pathlib
import re
from datetime import datetime
from os import PathLike
from typing import Any, Optional, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ._errors import InvalidAnswerError, ProgramError
from ._options import BatchStopReason, CellState, Language, Outcome, Priority, Status

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a program used. In the history, what is not known is None."""

    wall_ms: int
    cpu_ms: Optional[int]
    #: Above that of an empty program.
    peak_memory_bytes: Optional[int]


@dataclasses.dataclass(frozen=True)
class Timings:
    """Where the time went, in µs."""

    queue: int
    sandbox: int
    dispatch: int
    prepare: int
    compile: int
    run: int
    collect: int


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What a program left, for others to start from."""

    id: str
    language: Language
    packages: list[str]
    created_at: datetime
    #: When it goes unless it is used before. It may have to make room for others sooner.
    expires_at: datetime
    #: What it takes, at most.
    memory_bytes: int
    #: How many programs have started from it.
    forks: int


@dataclasses.dataclass(frozen=True)
class SessionOfCell:
    """What became of the session of a cell."""

    id: str
    #: The number of the cell, as in `<cell 3>` of a traceback; if unchanged, that of the last that was kept.
    cell: int
    #: Whether the session has what the cell left.
    state: CellState
    #: When it ends unless it is used before.
    expires_at: datetime
    #: When it ends in any case.
    ends_at: datetime
    #: Why it is as it was before the cell; only then.
    reason: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class SessionInfo:
    """A session, as the service told of it."""

    id: str
    language: Language
    packages: list[str]
    created_at: datetime
    #: When it ends unless it is used before.
    expires_at: datetime
    #: When it ends in any case.
    ends_at: datetime
    #: How many cells its state is made of.
    cells: int
    #: How many of them can be undone.
    undo_steps: int
    #: What it takes, at most, over what others share with it.
    memory_bytes: int
    #: Whether a cell runs.
    running: bool
    #: Cells that wait for their turn.
    waiting: int
    name: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class SessionList:
    """The caller's sessions, the oldest first."""

    sessions: list[SessionInfo]
    count: int


@dataclasses.dataclass(frozen=True)
class Interrupted:
    """Whether a cell was interrupted."""

    interrupted: bool


@dataclasses.dataclass(frozen=True)
class Variable:
    """A variable of a session."""

    name: str
    #: Of its value.
    type: str
    #: In bytes, without what it refers to; None if the language does not tell.
    size: Optional[int]
    #: A short text for it.
    repr: str


@dataclasses.dataclass(frozen=True)
class Variables:
    """The variables of a session."""

    variables: list[Variable]
    #: How many more there are.
    more: int


@dataclasses.dataclass(frozen=True)
class FileOfSession:
    """A file in the working directory of a session."""

    name: str
    #: In bytes.
    size: int


@dataclasses.dataclass(frozen=True)
class SessionFiles:
    """The files of a session."""

    files: list[FileOfSession]
    #: How many more there are.
    more: int


@dataclasses.dataclass(frozen=True)
class BatchStopped:
    """Why a batch stopped before its last row was answered."""

    reason: BatchStopReason
    #: A sentence, with what to do about it.
    details: str


@dataclasses.dataclass(frozen=True)
class BatchSummary:
    """How a batch ended."""

    #: Rows that were answered.
    rows: int
    #: Those with the status success.
    succeeded: int
    #: How many rows ended how: a status, or "refused" for those that were not executed.
    by_status: dict[str, int]
    duration_ms: int
    #: Why rows are left; None if all were answered.
    stopped: Optional[BatchStopped] = None


@dataclasses.dataclass(frozen=True)
class ToolCall:
    """What a program wants to know of a tool."""

    id: str
    #: Of the tool.
    name: str
    #: Fits the input schema of the tool.
    input: Any


@dataclasses.dataclass(frozen=True)
class ToolsDescribed:
    """Tools as a prompt tells a model of them."""

    #: Functions of the module `tools`, without bodies.
    python: str
    #: Declarations, as in a .d.ts file; for JavaScript, too.
    typescript: str


@dataclasses.dataclass(frozen=True)
class OutputFile:
    """A file that a program handed back."""

    #: As the program chose it: it may have directories.
    name: str
    content: bytes
    #: Media type of a figure.
    mime: Optional[str] = None

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def text(self) -> str:
        """Raises UnicodeDecodeError if the content is not UTF-8."""
        return self.content.decode()

    def save(self, directory: Union[str, "PathLike[str]"]) -> pathlib.Path:
        """Writes the file into a directory, under its name. Returns its path.

        Raises ValueError if the name, which an untrusted program chose, leads out of the directory.
        """
        root = pathlib.Path(directory).resolve()
        path = (root / self.name).resolve()
        if path == root or root not in path.parents:
            raise ValueError(f"the name of the file leads out of the directory: {self.name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)
        return path


@dataclasses.dataclass(frozen=True)
class ShownResult:
    """What a program displayed, or the value that it ended with, in several ways.

    HTML is as untrusted as the program.
    """

    is_main_result: bool
    #: By media type: texts, JSON, bytes in base64.
    data: dict[str, Any]

    @property
    def text(self) -> Optional[str]:
        return self.data.get("text/plain")

    @property
    def html(self) -> Optional[str]:
        return self.data.get("text/html")

    @property
    def markdown(self) -> Optional[str]:
        return self.data.get("text/markdown")

    @property
    def svg(self) -> Optional[str]:
        return self.data.get("image/svg+xml")

    @property
    def latex(self) -> Optional[str]:
        return self.data.get("text/latex")

    @property
    def json(self) -> Any:
        return self.data.get("application/json")

    @property
    def png(self) -> Optional[bytes]:
        return self._bytes("image/png")

    @property
    def jpeg(self) -> Optional[bytes]:
        return self._bytes("image/jpeg")

    @property
    def pdf(self) -> Optional[bytes]:
        return self._bytes("application/pdf")

    @property
    def chart(self) -> Any:
        """The data of a figure of matplotlib, as E2B's clients know it."""
        return self.data.get("e2b/chart")

    def _bytes(self, media_type: str) -> Optional[bytes]:
        content = self.data.get(media_type)
        return None if content is None else base64.b64decode(content)


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a program ended, and what it left. A program that failed has one, too."""

    status: Status
    exit_code: int
    stdout: str
    stderr: str
    #: What the program returned: JSON, or a text as it is. Empty if it returned nothing.
    text: str
    #: By name.
    files: dict[str, OutputFile]
    #: Figures of matplotlib, as PNG.
    figures: list[OutputFile]
    #: What a notebook would show, in its order.
    results: list[ShownResult]
    language: Language
    runtime: str
    #: Wall time.
    duration_ms: int
    timed_out: bool
    #: Whether there was more output than is kept.
    truncated: bool
    usage: Usage
    #: Names the execution in the history and in the audit log.
    task_id: str
    #: The sandbox.
    instance_id: str
    #: Names the request in the logs of the service.
    request_id: Optional[str] = None
    #: What the program left, if it was to be kept and could be.
    snapshot: Optional[Snapshot] = None
    #: Why it was not kept, although it was to be.
    not_kept: Optional[str] = None
    #: What became of its session, if it was a cell of one.
    session: Optional[SessionOfCell] = None
    #: If they were asked for.
    timings: Optional[Timings] = None

    @property
    def ok(self) -> bool:
        """Whether the program ran to its end."""
        return self.status == "success"

    @property
    def value(self) -> Any:
        """What the program returned: parsed if it is JSON, else the text; None if it returned nothing.

        A program that returns the text "42" and one that returns the number are not told apart.
        """
        if not self.text:
            return None
        try:
            # NaN is JSON for Python only: the service writes null for the number, so this is a text.
            return json.loads(self.text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return self.text

    @property
    def error(self) -> Optional[ProgramError]:
        """What went wrong, None if nothing did. Its message is the last line of stderr without the stack."""
        if self.ok:
            return None
        # JavaScript's stack comes after its message, Python's before.
        said = re.findall(r"^\w.*", self.stderr, re.MULTILINE)
        return ProgramError(said[-1] if said else f"{self.status}: exit code {self.exit_code}", self)

    def raise_for_error(self) -> "RunResult":
        """Returns the result itself. Raises ProgramError if the program did not run to its end."""
        error = self.error
        if error is not None:
            raise error
        return self


@dataclasses.dataclass(frozen=True)
class CodeError:
    """A syntax error. Line and column count from 1; 0 is unknown."""

    line: int
    column: int
    message: str


@dataclasses.dataclass(frozen=True)
class Import:
    """A module that the program imports somewhere."""

    module: str
    line: int
    #: Whether the import works without installing anything.
    available: bool
    #: If it does not: the package to ask for, if a source has one.
    package: Optional[str]


@dataclasses.dataclass(frozen=True)
class FunctionFigures:
    """One function, without those inside it."""

    name: str
    line: int
    statements: int
    nesting: int
    cyclomatic: int


@dataclasses.dataclass(frozen=True)
class Loops:
    """Loops and comprehensions."""

    count: int
    #: How deep they are nested within a function.
    max_depth: int
    #: What that suggests, such as "O(n^2)".
    estimate: str


@dataclasses.dataclass(frozen=True)
class Complexity:
    """How complex a program is."""

    statements: int
    max_nesting: int
    #: Highest cyclomatic complexity (McCabe) of its functions and of its top level.
    max_cyclomatic: int
    #: The top level first, as "<module>".
    functions: list[FunctionFigures]
    loops: Loops


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """What was found in a program without running it."""

    language: Language
    #: Whether it compiles.
    valid: bool
    errors: list[CodeError]
    imports: list[Import]
    #: None if it does not compile.
    complexity: Optional[Complexity] = None


@dataclasses.dataclass(frozen=True)
class PastOutput:
    """The first 65,536 bytes of each."""

    stdout: str
    stderr: str
    ret_val: str


@dataclasses.dataclass(frozen=True)
class Execution:
    """What is kept of an execution. What a cancelled one does not have is None."""

    task_id: str
    request_id: str
    #: When the program was accepted.
    time: datetime
    language: Language
    status: Outcome
    exit_code: Optional[int]
    #: Wall time in ms.
    duration: Optional[int]
    truncated: bool
    usage: Optional[Usage]
    priority: Priority
    packages: list[str]
    code_sha256: str
    code_bytes: int
    #: The session that it was a cell of.
    session: Optional[str] = None
    #: The snapshot that it started from.
    started_from: Optional[str] = None
    #: The snapshot of what it left.
    snapshot: Optional[str] = None
    #: The program, of a single execution and if the service keeps it.
    code: Optional[str] = None
    output: Optional[PastOutput] = None


@dataclasses.dataclass(frozen=True)
class ExecutionList:
    """A page of the history, newest first."""

    executions: list[Execution]
    count: int
    #: For `before`, to get the next page; None at the end.
    next: Optional[str]


@dataclasses.dataclass(frozen=True)
class SnapshotList:
    """The caller's snapshots, the oldest first."""

    snapshots: list[Snapshot]
    count: int


@dataclasses.dataclass(frozen=True)
class Health:
    """The state of the service, for operators. docs/api.md tells of the parts that are dicts."""

    status: str
    #: Why it is not healthy.
    reason: str
    timestamp: datetime
    version: str
    runtime: str
    python_version: str
    execution_count: int
    pyodide: dict[str, Any]
    pool: dict[str, Any]
    pool_status: dict[str, Any]
    scheduler: dict[str, Any]
    packages: dict[str, Any]
    package_zygote_count: int
    snapshots: dict[str, Any]
    sessions: dict[str, Any]
    audit: dict[str, Any]
    history: dict[str, Any]
    jobs: dict[str, Any]
    security: dict[str, Any]
    warnings: list[str]
    #: Only for callers with a token.
    package_zygotes: Optional[list[dict[str, Any]]] = None

    @property
    def ok(self) -> bool:
        return self.status == "healthy"


@dataclasses.dataclass(frozen=True)
class RuntimeState:
    """Whether a runtime is up, and why it is not."""

    up: bool
    reason: str


@dataclasses.dataclass(frozen=True)
class Queue:
    """Requests that wait."""

    waiting: int
    size: int
    #: How long a request that came now would wait for its turn.
    expected_wait_ms: int


@dataclasses.dataclass(frozen=True)
class Ready:
    """Whether requests should be sent here."""

    status: str
    #: Why not.
    reason: str
    runtimes: dict[str, RuntimeState]
    queue: Queue

    @property
    def ok(self) -> bool:
        return self.status == "ready"


def run_result(body: Any, request_id: Optional[str]) -> RunResult:
    """The answer to a program that ran."""
    try:
        output, metadata = body["output"], body["metadata"]
        files = [_output_file(file) for file in output["files"]]
        parts = dict(
            metadata,
            stdout=output["stdout"],
            stderr=output["stderr"],
            text=output["ret_val"],
            results=output["results"],
            duration_ms=metadata["duration"],
            request_id=request_id,
        )
        result = decode(RunResult, dict(parts, files={}, figures=[]))
        figures = [_output_file(file) for file in output["artifacts"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidAnswerError(f"the answer is not one of faas-server: {error!r}") from error
    return dataclasses.replace(result, files={file.name: file for file in files}, figures=figures)


def _output_file(body: Any) -> OutputFile:
    content = base64.b64decode(body["content_base64"])
    return OutputFile(name=body["name"], content=content, mime=body.get("mime"))


def decode(kind: type[T], body: Any) -> T:
    """JSON as one of the classes above. Raises InvalidAnswerError if it does not fit."""
    try:
        return cast(T, _decode(kind, body))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidAnswerError(f"the answer is not one of faas-server: {error!r}") from error


def _decode(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        parts = {name: _decode(hints[name], value[name]) for name in hints if name in value}
        return kind(**parts)
    if kind is datetime:
        return _time(value)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        return [_decode(arguments[0], item) for item in value]
    if origin is dict:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    if origin is Union and type(None) in arguments:
        [inner] = [argument for argument in arguments if argument is not type(None)]
        return _decode(inner, value)
    return value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _time(text: str) -> datetime:
    """A time as in RFC 3339. Before Python 3.11, fromisoformat knows no Z, and 3 or 6 digits only."""
    text = re.sub(r"\.(\d+)", lambda found: f".{found[1][:6]:0<6}", text)
    return datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
