"""A client of faas-server: runs untrusted Python, JavaScript and TypeScript.

>>> from faas_client import Faas
>>> faas = Faas()  # FAAS_URL, FAAS_API_TOKEN
>>> faas.run("print('hi')\\n6 * 7").value
42
"""

from ._async_client import AsyncFaas, AsyncRunStream
from ._client import Faas, RunStream
from ._errors import (
    ConflictError,
    FaasConnectionError,
    FaasError,
    FaasTimeoutError,
    ForbiddenError,
    GoneError,
    InvalidAnswerError,
    InvalidRequestError,
    NotFoundError,
    ProgramError,
    ServerError,
    StatusError,
    TooBusyError,
    UnauthorizedError,
    UnavailableError,
)
from ._events import Display, Done, Event, Progress, Stderr, Stdout
from ._models import (
    CheckResult,
    Execution,
    ExecutionList,
    Health,
    OutputFile,
    Ready,
    RunResult,
    SessionOfCell,
    ShownResult,
    Snapshot,
    Timings,
    Usage,
)
from ._options import (
    CellState,
    FileContent,
    Language,
    Limits,
    Outcome,
    Priority,
    RunOptions,
    Status,
    StreamOptions,
)

__all__ = [
    "AsyncFaas",
    "AsyncRunStream",
    "CellState",
    "CheckResult",
    "ConflictError",
    "Display",
    "Done",
    "Event",
    "Execution",
    "ExecutionList",
    "Faas",
    "FaasConnectionError",
    "FaasError",
    "FaasTimeoutError",
    "FileContent",
    "ForbiddenError",
    "GoneError",
    "Health",
    "InvalidAnswerError",
    "InvalidRequestError",
    "Language",
    "Limits",
    "NotFoundError",
    "Outcome",
    "OutputFile",
    "Priority",
    "ProgramError",
    "Progress",
    "Ready",
    "RunOptions",
    "RunResult",
    "RunStream",
    "ServerError",
    "SessionOfCell",
    "ShownResult",
    "Snapshot",
    "Status",
    "StatusError",
    "Stderr",
    "Stdout",
    "StreamOptions",
    "Timings",
    "TooBusyError",
    "UnauthorizedError",
    "UnavailableError",
    "Usage",
]
