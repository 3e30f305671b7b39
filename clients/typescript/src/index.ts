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
export * from "./errors.js";
export { OutputFile, RunResult, ShownResult } from "./results.js";
export { RunStream, type FaasEvent, type Progress } from "./stream.js";
export type {
  Execution,
  ExecutionList,
  Health,
  Language,
  Limits,
  Outcome,
  Priority,
  Ready,
  SessionOfCell,
  Snapshot,
  SnapshotList,
  Status,
  Timings,
  Usage,
} from "./schema.js";
