"""Has callers send requests: each after the answer to its last one, or at times that were drawn before."""

import contextlib
import dataclasses
import http.client
import json
import queue
import statistics
import threading
import time

PATIENCE = 120


@dataclasses.dataclass
class Outcome:
    elapsed: float
    # CPU seconds of the callers.
    own_cpu: float
    latencies: list[float]
    # Answers that do not say that all of it succeeded.
    failures: list[bytes]
    # Of requests that had a time: when they were sent, and for how long they waited for a worker and held it.
    turns: list[tuple[float, float, float]]

    def expect_success(self, what):
        if self.failures:
            count = f"{len(self.failures)} of {len(self.latencies)}"
            raise SystemExit(f"{what}: {count} requests failed: {self.failures[0][-1000:].decode()}")

    def median(self):
        return statistics.median(self.latencies)


class Caller:
    """One connection, which is kept."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def close(self):
        self.connection.close()

    def send(self, request):
        """Whether the answer says that all of it succeeded, and its text."""
        path, body = request
        self.connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if path == "/run_batch":
            summary = json.loads(text[text.rindex(b"\n", 0, -1) + 1 :])["summary"]
            return summary["rows"] == summary["succeeded"], text
        return answer.status == 200 and b'"status":"success"' in text, text


def turn(text):
    """Seconds until it had a worker, and from then on, of an answer to a request with `timings`."""
    timings = json.loads(text)["metadata"]["timings"]
    return timings["queue"] / 1e6, (sum(timings.values()) - timings["queue"]) / 1e6


def run(port, connections, next_request):
    """Sends what next_request gives until it gives None."""
    lock = threading.Lock()
    outcome = Outcome(0, 0, [], [], [])

    def call():
        with contextlib.closing(Caller(port)) as caller:
            call_with(caller)

    def call_with(caller):
        while (request := next_request()) is not None:
            due, request = request
            started = time.monotonic()
            succeeded, text = caller.send(request)
            took = time.monotonic() - (due or started)
            with lock:
                outcome.latencies.append(took)
                if not succeeded:
                    outcome.failures.append(text)
                elif due is not None:
                    outcome.turns.append((started, *turn(text)))

    callers = [threading.Thread(target=call) for _ in range(connections)]
    started, cpu = time.monotonic(), time.process_time()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    outcome.elapsed, outcome.own_cpu = time.monotonic() - started, time.process_time() - cpu
    return outcome


def closed(port, requests, connections, seconds=None, count=None):
    """Each connection is busy all the time, for so long or until so many were sent."""
    until = time.monotonic() + (seconds or float("inf"))
    lock = threading.Lock()

    def next_request():
        nonlocal count
        with lock:
            if time.monotonic() > until or count == 0:
                return None
            count = count and count - 1
            return None, next(requests)

    return run(port, connections, next_request)


def opened(port, arrivals, connections):
    """Sends requests, which ask for `timings`, each at its time: pairs of seconds and a request."""
    due = queue.SimpleQueue()

    def send_all():
        for at, request in arrivals:
            time.sleep(max(0, started + at - time.monotonic()))
            due.put((started + at, request))
        for _ in range(connections):
            due.put(None)

    started = time.monotonic()
    threading.Thread(target=send_all).start()
    outcome = run(port, connections, due.get)
    outcome.turns = sorted((at - started, *turn) for at, *turn in outcome.turns)
    return outcome
