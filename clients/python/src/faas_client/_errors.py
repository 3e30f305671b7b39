"""What can go wrong, by what it means to the caller. A program that fails is no error: it is a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._models import RunResult


class FaasError(Exception):
    """Base of all exceptions of this package."""


class FaasConnectionError(FaasError):
    """The service could not be reached, or the connection broke off."""


class FaasTimeoutError(FaasConnectionError):
    """No answer came in time. A program that runs into its own time limit, which is shorter, is a result."""


class InvalidAnswerError(FaasError):
    """The answer is not one of faas-server: is something else at this address?"""


class StatusError(FaasError):
    """The request was refused.

    status_code is None if the refusal came at the end of a stream. request_id is the one in the logs of the
    service.
    """

    def __init__(
        self,
        error: str,
        details: str = "",
        *,
        status_code: int | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{error}: {details}" if details else error)
        self.error = error
        self.details = details
        self.status_code = status_code
        #: Seconds after which a new try may do better, if the service said so.
        self.retry_after = retry_after
        self.request_id = request_id


class InvalidRequestError(StatusError):
    """Something is wrong with the request: its message names the field (400, 413, 415, 422)."""


class UnauthorizedError(StatusError):
    """The token is missing or wrong (401)."""


class ForbiddenError(StatusError):
    """The service does not serve this origin, or is not known by this host name (403)."""


class NotFoundError(StatusError):
    """There is no such snapshot, session, execution or route (404)."""


class ConflictError(StatusError):
    """The program of this idempotency key is still running (409)."""


class GoneError(StatusError):
    """The snapshot or session was there and is gone (410); the reason is in its details."""

    @property
    def reason(self) -> str:
        return self.details


class TooBusyError(StatusError):
    """All workers are busy and the queue is full (429): retry_after says when a turn is to be expected."""


class ServerError(StatusError):
    """The service failed (5xx)."""


class UnavailableError(ServerError):
    """The service is starting, shutting down or short of something (503)."""


class ProgramError(FaasError):
    """A program did not end well. RunResult.error has it; RunResult.raise_for_error raises it."""

    def __init__(self, message: str, result: RunResult) -> None:
        super().__init__(message)
        self.message = message
        self.result = result


_BY_STATUS: dict[int, type[StatusError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    429: TooBusyError,
    503: UnavailableError,
}


def refusal(
    status_code: int, body: Any, text: str, retry_after: float | None, request_id: str | None
) -> StatusError:
    """The exception for an answer. Its body is of the service, or the text of whatever is in between."""
    kind = _BY_STATUS.get(status_code, ServerError if status_code >= 500 else InvalidRequestError)
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        error, details = body["error"], str(body.get("details", ""))
    else:
        error, details = f"status {status_code}", text[:200]
    return kind(error, details, status_code=status_code, retry_after=retry_after, request_id=request_id)
