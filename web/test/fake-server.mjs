// Serves the built page and answers POST /run_code by a script, to show it what a real server
// shows only now and then: slow streams, refusals, hostile file names.

import * as fs from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const web = join(import.meta.dirname, "..");
const types = {
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
  txt: "text/plain",
  html: "text/html; charset=utf-8",
};

const health = {
  status: "healthy",
  reason: "",
  version: "faas-v0.0.0-fake",
  execution_count: 1234,
  pool: { totalInstances: 10, idleInstances: 7, activeInstances: 3 },
  pool_status: { totalInstances: 10, idleInstances: 7, activeInstances: 3, pendingRequests: 2 },
};

/** `onRun(request, response, body)` answers POST /run_code and may be exchanged at any time. */
export async function startFake() {
  const fake = { onRun: () => {}, runs: [], asked: new Set(), healthAsked: 0 };
  const server = createServer(async (request, response) => {
    const path = request.url.split("?")[0];
    fake.asked.add(path);
    if (path === "/") {
      const nonce = "test-nonce";
      const fill = (file) => fs.readFileSync(join(web, file), "utf8").replaceAll("{nonce}", nonce);
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.setHeader("Content-Security-Policy", fill("csp.txt").trim());
      response.end(fill("dist/index.html"));
    } else if (path.startsWith("/assets/")) {
      response.setHeader("Content-Type", types[path.split(".").at(-1)]);
      if (path.endsWith("/frame.html")) {
        const policy = fs.readFileSync(join(web, "dist/frame-csp.txt"), "utf8");
        response.setHeader("Content-Security-Policy", policy);
      }
      response.end(fs.readFileSync(join(web, "dist", path.slice("/assets/".length))));
    } else if (path === "/health") {
      fake.healthAsked++;
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(health));
    } else {
      let body = "";
      for await (const piece of request) body += piece;
      fake.runs.push({ body, headers: request.headers });
      fake.onRun(request, response, body);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  fake.url = `http://127.0.0.1:${server.address().port}/`;
  fake.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return fake;
}

/** A result in an answer: what it is by media type. */
export function shown(data, is_main_result = false) {
  return { is_main_result, data };
}

/** An answer as the service gives it. */
export function answer({
  stdout = "",
  stderr = "",
  ret_val = "",
  status = "success",
  ...more
} = {}) {
  return {
    output: { stdout, stderr, ret_val, files: [], artifacts: [], results: [], ...more },
    workload_info: { id: "sandbox-1", status: "Used" },
    metadata: {
      task_id: "task-1",
      instance_id: "sandbox-1",
      duration: 3,
      status,
      exit_code: status === "success" ? 0 : 1,
      truncated: false,
      usage: { wall_ms: 3, cpu_ms: 2, peak_memory_bytes: 41_000_000 },
    },
  };
}

export function sendJson(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(body));
}

export function startStream(response) {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  return (event, data) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
