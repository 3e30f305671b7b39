// How programs end, in words.

import type { AnswerStatus, Outcome } from "./api.ts";

export type Tone = "idle" | "busy" | "good" | "bad" | "warn";

/** How each way to end is shown. The compiler misses one that the service knows and the page does not. */
export const outcomes: Record<Outcome | AnswerStatus, { text: string; tone: Tone }> = {
  success: { text: "Success", tone: "good" },
  error: { text: "Program failed", tone: "bad" },
  timeout: { text: "Timed out", tone: "warn" },
  cpu_limit: { text: "CPU time limit", tone: "warn" },
  memory_limit: { text: "Memory limit", tone: "warn" },
  output_limit: { text: "Output limit", tone: "warn" },
  return_limit: { text: "Return value too long", tone: "warn" },
  storage_limit: { text: "Storage limit", tone: "warn" },
  violation: { text: "Forbidden system call", tone: "bad" },
  killed: { text: "Killed", tone: "bad" },
  cancelled: { text: "Stopped", tone: "warn" },
  cut_off: { text: "Ended with the service", tone: "warn" },
  // Programs of the page have no tools.
  tool_calls: { text: "Waits for results of tools", tone: "warn" },
};
