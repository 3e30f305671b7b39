"""Measures what an execution of each kind and what each process costs, on this machine."""

import datetime
import json
import os
import pathlib
import statistics
import time

from . import load, machine
from .kinds import KINDS
from .server import Server

FIGURES = pathlib.Path(__file__).resolve().parent / "figures.json"
WAITING = 60
KEPT = 30
# Processors that others may use while it is called quiet.
BUSY = 0.15


def cost(server, kind, requests):
    """CPU seconds of one execution, in one round: of all, of the process that forks, and of the caller."""
    server.settle()
    before = server.cpu()
    outcome = load.closed(server.port, requests, kind.connections, count=kind.count)
    server.settle()
    after = server.cpu()
    outcome.expect_success(kind.title)
    executions = len(outcome.latencies) * kind.executions
    return {
        "cpu": after.since(before) / executions,
        "supervisor": (after.supervisor - before.supervisor) / executions,
        "forking": after.busiest_since(before) / executions,
        "caller": outcome.own_cpu / executions,
    }


def wait_for_quiet(patience):
    """Waits until nobody else uses much of the machine, but not for long."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        before = machine.times().busy
        time.sleep(1)
        if machine.times().busy - before < BUSY:
            return


def costs(server, names, rounds, patience):
    """Of each kind, the median of some rounds, in which they take turns; and the lowest and highest."""
    requests = {name: KINDS[name].requests(server) for name in names}
    for name in names:
        cost(server, KINDS[name], requests[name])
    taken = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            wait_for_quiet(patience)
            taken[name].append(cost(server, KINDS[name], requests[name]))
    found = {}
    for name, rows in taken.items():
        found[name] = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        found[name] |= {"lowest": min(row["cpu"] for row in rows), "highest": max(row["cpu"] for row in rows)}
        # How long one alone takes, from one request to its answer.
        alone = load.closed(server.port, requests[name], 1, count=max(3, KINDS[name].count // 10))
        found[name]["seconds"] = alone.median() / KINDS[name].executions
    return found


def memory_of_waiting(language):
    """What a server of one language takes with few and with many waiting sandboxes tells what one takes."""
    seen = []
    for size in (WAITING // 4, WAITING):
        settings = {"FAAS_POOL_SIZE": str(size), "FAAS_MAX_INSTANCES": str(size)}
        with Server(FAAS_LANGUAGE=language, **settings) as server:
            server.wait_until("full", lambda least=size, server=server: server.idle() >= least)
            server.settle()
            seen.append(server.memory())
    few, many = seen
    each, own = more(few, many)
    # Two processes are the supervisor and the zygote.
    return {"each": each, "private_and_page_tables": own, "rest": few.all() - each * (few.processes - 2)}


def more(before, after):
    """MiB that each of the processes has which came between: in all, and of its own."""
    count = after.processes - before.processes
    own = (after.private_dirty + after.page_tables) - (before.private_dirty + before.page_tables)
    return (after.all() - before.all()) / count, own / count


def memory_of_kept():
    found = {}
    with Server(FAAS_LANGUAGE="python", FAAS_SESSIONS=str(KEPT)) as server:
        server.settle()
        before = server.memory()
        for number in range(KEPT):
            server.post("/run_code", {"code": f"x = {number}", "keep": True})
        server.settle()
        after = server.memory()
        # One fork is made ahead for each of the eight that were used last; they count with what needs them.
        found["snapshot"] = (after.all() - before.all()) / KEPT
        before = after
        for _ in range(KEPT):
            session = server.post("/sessions", {})["id"]
            for cell in ("x = 1", "x += 1", "x += 1", "x"):
                server.post("/run_code", {"code": cell, "session": session})
        server.settle()
        after = server.memory()
        found["session"] = (after.all() - before.all()) / KEPT
        found["session_processes"] = (after.processes - before.processes) / KEPT
        before = after
        KINDS["pandas"].requests(server)
        # It loads the rest and exercises it in the pauses after its first answer.
        time.sleep(8)
        server.settle()
        found["package_set"] = server.memory().all() - before.all()
    return found


def boots(rounds):
    seconds = []
    for _ in range(rounds):
        with Server() as server:
            seconds.append(server.boot_seconds)
    return {"seconds": statistics.median(seconds)}


class Quiet:
    """How much others used the machine meanwhile, in processors."""

    def __init__(self):
        self.started, self.times, self.own = time.monotonic(), machine.times(), os.times()

    def others(self):
        """By what is neither this process nor what ended of its children."""
        elapsed, now, own = time.monotonic() - self.started, machine.times(), os.times()
        ours = sum(own[:4]) - sum(self.own[:4])
        return {
            "processors_of_others": round(max(0, now.busy - self.times.busy - ours) / elapsed, 2),
            "processors_stolen": round((now.steal - self.times.steal) / elapsed, 2),
            "load_average": os.getloadavg()[0],
        }


def measure(rounds, patience, file):
    quiet = Quiet()
    with Server() as server:
        kinds = costs(server, KINDS, rounds, patience)
    memory = {language: memory_of_waiting(language) for language in ("python", "javascript")}
    memory |= memory_of_kept()
    boot = boots(rounds)
    figures = {
        "machine": machine.description(),
        "taken": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": rounds,
        "quiet": quiet.others(),
        "kinds": kinds,
        "memory_mib": memory,
        "boot": boot,
    }
    file.write_text(json.dumps(rounded(figures), indent=2) + "\n")
    return figures


def rounded(figures):
    """Four digits are more than the machine is good for."""
    if isinstance(figures, dict):
        return {key: rounded(value) for key, value in figures.items()}
    return float(f"{figures:.4g}") if isinstance(figures, float) else figures
