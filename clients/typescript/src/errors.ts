/** What can go wrong, by what it means to the caller. A program that fails is no error: it is a result. */

import type { RunResult } from "./results.js";

/** Base of all errors of this package. */
export class FaasError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The service could not be reached, or the connection broke off. */
export class FaasConnectionError extends FaasError {}

/** No answer came in time. A program that runs into its own time limit, which is shorter, is a result. */
export class FaasTimeoutError extends FaasConnectionError {}

/** The answer is not one of faas-server: is something else at this address? */
export class InvalidAnswerError extends FaasError {}

export interface Refusal {
  error: string;
  details: string;
  /** Absent if the refusal came at the end of a stream. */
  status_code?: number | undefined;
  /** Seconds after which a new try may do better, if the service said so. */
  retry_after?: number | undefined;
  /** The one in the logs of the service. */
  request_id?: string | undefined;
}

/** The request was refused. */
export class StatusError extends FaasError implements Refusal {
  readonly error: string;
  readonly details: string;
  readonly status_code: number | undefined;
  readonly retry_after: number | undefined;
  readonly request_id: string | undefined;

  constructor(refusal: Refusal) {
    super(refusal.details ? `${refusal.error}: ${refusal.details}` : refusal.error);
    this.error = refusal.error;
    this.details = refusal.details;
    this.status_code = refusal.status_code;
    this.retry_after = refusal.retry_after;
    this.request_id = refusal.request_id;
  }
}

/** Something is wrong with the request: its message names the field (400, 413, 415, 422). */
export class InvalidRequestError extends StatusError {}

/** The token is missing or wrong (401). */
export class UnauthorizedError extends StatusError {}

/** The service does not serve this origin, or is not known by this host name (403). */
export class ForbiddenError extends StatusError {}

/** There is no such snapshot, session, execution or route (404). */
export class NotFoundError extends StatusError {}

/** The program of this idempotency key is still running (409). */
export class ConflictError extends StatusError {}

/** The snapshot or session was there and is gone (410). */
export class GoneError extends StatusError {
  get reason(): string {
    return this.details;
  }
}

/** All workers are busy and the queue is full (429): `retry_after` says when a turn is to be expected. */
export class TooBusyError extends StatusError {}

/** The service failed (5xx). */
export class ServerError extends StatusError {}

/** The service is starting, shutting down or short of something (503). */
export class UnavailableError extends ServerError {}

/** A program did not end well. `RunResult.error` has it; `RunResult.raiseForError()` throws it. */
export class ProgramError extends FaasError {
  readonly result: RunResult;

  constructor(message: string, result: RunResult) {
    super(message);
    this.result = result;
  }
}

const BY_STATUS: Record<number, new (refusal: Refusal) => StatusError> = {
  401: UnauthorizedError,
  403: ForbiddenError,
  404: NotFoundError,
  409: ConflictError,
  410: GoneError,
  429: TooBusyError,
  503: UnavailableError,
};

/** The error for an answer. Its body is of the service, or the text of whatever is in between. */
export function refusal(response: Response, text: string): StatusError {
  let [error, details] = [`status ${response.status}`, text.slice(0, 200)];
  try {
    const body = JSON.parse(text);
    if (typeof body.error === "string") [error, details] = [body.error, String(body.details ?? "")];
  } catch {
    // It is no JSON.
  }
  const pause = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  const status = response.status;
  const kind = BY_STATUS[status] ?? (status >= 500 ? ServerError : InvalidRequestError);
  return new kind({
    error,
    details,
    status_code: status,
    retry_after: Number.isNaN(pause) ? undefined : pause,
    request_id: response.headers.get("X-Request-Id") ?? undefined,
  });
}
