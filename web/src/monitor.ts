// The live view: how the pool is, and how long your executions take.

import { fetchHealth, type Health, messageOf } from "./api.ts";
import { Chart } from "./charts.ts";
import { byId } from "./dom.ts";
import { formatMs } from "./format.ts";
import { apiToken } from "./token.ts";

const EVERY_MS = 2000;
const MOST_SAMPLES = 150;
const MOST_RUNS = 200;

interface Sample {
  at: number;
  idle: number;
  active: number;
  waiting: number;
}

/** Asks for the pool's state every two seconds while the tab is seen. */
export class PoolMonitor {
  readonly #onReturn: () => void;
  readonly #samples: Sample[] = [];
  readonly #chart = new Chart(byId("pool-chart"), {
    x: "time",
    format: String,
    steps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000],
    series: [
      { label: "Idle", colour: "--idle", fill: true },
      { label: "Active", colour: "--accent" },
      { label: "Waiting", colour: "--warn" },
    ],
  });
  #lostAt: Date | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #request: AbortController | undefined;

  /** `onReturn` is told when a server that was out of reach answers again: it may be another one. */
  constructor(onReturn: () => void) {
    this.#onReturn = onReturn;
    document.addEventListener("visibilitychange", () => this.#followVisibility());
    this.#followVisibility();
  }

  /** Asks now, as after an execution. */
  refresh(): void {
    clearTimeout(this.#timer);
    this.#request?.abort();
    if (!document.hidden) void this.#ask();
  }

  #followVisibility(): void {
    if (document.hidden) {
      clearTimeout(this.#timer);
      this.#request?.abort();
    } else {
      this.refresh();
    }
  }

  async #ask(): Promise<void> {
    const request = new AbortController();
    this.#request = request;
    const limit = setTimeout(() => request.abort(new Error("no answer")), 10_000);
    try {
      this.#show(await fetchHealth(apiToken.value, request.signal));
      document.body.classList.remove("unreachable");
      if (this.#lostAt !== undefined) {
        this.#lostAt = undefined;
        this.#onReturn();
      }
    } catch (error) {
      // Another question took this one's place, or the tab went out of sight.
      if (this.#request !== request || document.hidden) return;
      this.#lostAt ??= new Date();
      const asOf = `The figures are as of ${this.#lostAt.toLocaleTimeString()}`;
      showState("bad", "Unreachable", `${messageOf(error)}. ${asOf}`);
      document.body.classList.add("unreachable");
    } finally {
      clearTimeout(limit);
    }
    if (this.#request === request && !document.hidden) {
      this.#timer = setTimeout(() => void this.#ask(), EVERY_MS);
    }
  }

  #show(health: Health): void {
    const healthy = health.status === "healthy";
    showState(healthy ? "good" : "bad", healthy ? "Healthy" : "Unhealthy", health.reason);
    byId("version").textContent = health.version;
    const idle = health.pool.idleInstances;
    const active = health.pool.activeInstances;
    const waiting = health.pool_status.pendingRequests;
    byId("pool-idle").textContent = idle.toLocaleString();
    byId("pool-active").textContent = active.toLocaleString();
    byId("pool-waiting").textContent = waiting.toLocaleString();
    byId("pool-executions").textContent = health.execution_count.toLocaleString();
    this.#samples.push({ at: Date.now(), idle, active, waiting });
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift();
    const now = Date.now();
    this.#chart.data = [
      this.#samples.map(({ at }) => Math.round((at - now) / 1000)),
      this.#samples.map((sample) => sample.idle),
      this.#samples.map((sample) => sample.active),
      this.#samples.map((sample) => sample.waiting),
    ];
  }
}

function showState(tone: string, text: string, reason: string): void {
  const state = byId("health");
  state.dataset["tone"] = tone;
  state.title = reason;
  byId("health-text").textContent = text;
}

/** What your executions took, by your watch and by the server's. */
export class LatencyMonitor {
  readonly #runs: { roundTrip: number; wall: number }[] = [];
  #count = 0;
  readonly #chart = new Chart(byId("latency-chart"), {
    x: "count",
    format: formatMs,
    series: [
      { label: "Round trip", colour: "--accent", fill: true, points: true },
      { label: "Wall", colour: "--idle", points: true },
    ],
  });

  add(roundTrip: number, wall: number): void {
    this.#count++;
    this.#runs.push({ roundTrip, wall });
    if (this.#runs.length > MOST_RUNS) this.#runs.shift();
    const sorted = this.#runs.map((run) => run.roundTrip).sort((a, b) => a - b);
    const quantile = (share: number) =>
      formatMs(sorted[Math.ceil(share * sorted.length) - 1] ?? roundTrip);
    byId("latency-last").textContent = formatMs(roundTrip);
    byId("latency-wall").textContent = formatMs(wall);
    byId("latency-p50").textContent = quantile(0.5);
    byId("latency-p95").textContent = quantile(0.95);
    byId("latency-count").textContent = this.#count.toLocaleString();
    byId("latency-empty").hidden = true;
    const first = this.#count - this.#runs.length + 1;
    this.#chart.data = [
      this.#runs.map((_, index) => first + index),
      this.#runs.map((run) => run.roundTrip),
      this.#runs.map((run) => run.wall),
    ];
  }
}
