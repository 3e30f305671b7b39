/** A client of faas-server: runs untrusted Python, JavaScript and TypeScript. */

export {
  Faas,
  type CheckResult,
  type ExecutionQuery,
  type FaasOptions,
  type FileContent,
  type RequestOptions,
  type RunOptions,
  type StreamOptions,
} from "./client.js";
export { Batch, type BatchOptions, type BatchRow, type Rows } from "./batch.js";
export * from "./errors.js";
export { OutputFile, RunResult, ShownResult, type Status } from "./results.js";
export { FilesOfSession, Session, type SessionOptions } from "./session.js";
export { tool, type Round, type Tool, type ToolCall } from "./tools.js";
export { RunStream, type FaasEvent, type Progress } from "./stream.js";
export type {
  BatchStopReason,
  BatchStopped,
  BatchSummary,
  Execution,
  ExecutionList,
  FileOfSession,
  Health,
  Language,
  Limits,
  Outcome,
  Priority,
  Ready,
  SessionFiles,
  SessionOfCell,
  Session as SessionInfo,
  Snapshot,
  SnapshotList,
  Timings,
  Usage,
  Variable,
  Variables,
} from "./schema.js";
