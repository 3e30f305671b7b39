"""What a batch answers, line by line."""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from typing import Any

from ._errors import FaasConnectionError, FaasError, InvalidAnswerError, ProgramError, StatusError
from ._models import BatchSummary, RunResult, decode, run_result


@dataclasses.dataclass(frozen=True)
class BatchRow:
    """How a row ended."""

    #: Counts from 0, in the order of the inputs. Rows come in the order in which they end.
    index: int
    #: None if the row was not executed.
    result: RunResult | None
    #: Why it was not.
    refusal: StatusError | None = None

    @property
    def ok(self) -> bool:
        """Whether the row's program ran to its end."""
        return self.result is not None and self.result.ok

    @property
    def value(self) -> Any:
        """What the program returned, as RunResult.value; None if the row was not executed."""
        return None if self.result is None else self.result.value

    @property
    def error(self) -> ProgramError | StatusError | None:
        """What went wrong, None if nothing did."""
        return self.refusal if self.result is None else self.result.error


class BatchParser:
    """Makes rows of the bytes of an answer, as they come."""

    def __init__(self, request_id: str | None) -> None:
        self._request_id = request_id
        self._rest = bytearray()
        self.setup: RunResult | None = None
        self._summary: BatchSummary | None = None

    @property
    def summary(self) -> BatchSummary:
        if self._summary is None:
            raise FaasError("the batch has not been read to its end")
        return self._summary

    def feed(self, chunk: bytes) -> deque[BatchRow]:
        self._rest += chunk
        if b"\n" not in chunk:
            return deque()
        *lines, self._rest = self._rest.split(b"\n")
        return deque(row for line in lines if line.strip() and (row := self._row(line)) is not None)

    def end(self) -> None:
        """To be called when nothing follows."""
        if self._summary is None:
            raise FaasConnectionError("the batch broke off: rows without an answer may be sent again")
        stopped = self._summary.stopped
        if stopped is not None and stopped.reason == "setup" and self.setup is not None:
            self.setup.raise_for_error()

    def _row(self, line: bytes | bytearray) -> BatchRow | None:
        try:
            body: Any = json.loads(line)
            if "setup" in body:
                self.setup = run_result(body["setup"], self._request_id)
            elif "summary" in body:
                self._summary = decode(BatchSummary, body["summary"])
            elif "error" in body:
                refusal = StatusError(body["error"], body.get("details", ""), request_id=self._request_id)
                return BatchRow(body["index"], None, refusal)
            elif "index" in body:
                return BatchRow(body["index"], run_result(body, self._request_id))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidAnswerError(f"the answer is not one of faas-server: {error!r}") from error
        return None
