"""Predicts what this machine can take from what executions cost, loads it to the full, and compares."""

import dataclasses
import itertools
import random
import statistics
import time

from . import machine
from .kinds import KINDS, run_code
from .load import PATIENCE, closed, opened
from .measure import Quiet, cost, wait_for_quiet
from .server import Server
from .simulation import Load, Scaler, Service, Simulation, poisson

CONNECTIONS = 16
SEED = 1
# Of the workers, by the time that programs sleep.
UTILISED = 0.7


def mixed(mix, requests):
    """Requests of several kinds, drawn by their shares."""
    names, shares = list(mix), list(mix.values())
    draw = random.Random(SEED)
    while True:
        yield next(requests[draw.choices(names, shares)[0]])


def saturate(server, requests, connections, seconds):
    """What was seen under full load."""
    server.settle()
    before, times, started = server.cpu(), machine.times(), time.monotonic()
    outcome = closed(server.port, requests, connections, seconds=seconds)
    # Until the last answer; the shelf is filled later, but was full at the start.
    elapsed, after = time.monotonic() - started, machine.times()
    used = server.cpu().since(before)
    others = max(0.0, after.busy - times.busy - used - outcome.own_cpu)
    idle = machine.cores() * elapsed - (after.busy - times.busy) - (after.steal - times.steal)
    outcome.expect_success("under full load")
    return {
        "requests": len(outcome.latencies),
        "elapsed": elapsed,
        "server": used,
        "caller": outcome.own_cpu,
        "others": others,
        "idle": idle / elapsed,
        "available": machine.cores() * elapsed - others - (after.steal - times.steal),
    }


def differences(mixes, rounds, seconds, patience):
    """Of each mix: executions per second as predicted and as seen, in each round."""
    names = sorted(set(itertools.chain.from_iterable(mixes.values())))
    found = {title: [] for title in mixes}
    with Server() as server:
        requests = {name: KINDS[name].requests(server) for name in names}

        def costs(mix):
            return {name: cost(server, KINDS[name], requests[name]) for name in mix}

        costs(names)
        for _ in range(rounds):
            for title, mix in mixes.items():
                wait_for_quiet(patience)
                # A batch has work for all processors by itself.
                connections = CONNECTIONS if all(KINDS[name].executions == 1 for name in mix) else 1
                # What one costs changes with what else the machine does: looked at before and after.
                before = costs(mix)
                seen = saturate(server, mixed(mix, requests), connections, seconds)
                after = costs(mix)
                executions = sum(share * KINDS[name].executions for name, share in mix.items())
                of_a_request = sum(
                    share * KINDS[name].executions * sum(row[key] for row in (before[name], after[name])) / 2
                    for name, share in mix.items()
                    for key in ("cpu", "caller")
                )
                # Callers run on the same processors, and others had a part of them.
                rate = seen["available"] / seen["elapsed"] / of_a_request
                found[title].append(
                    seen
                    | {
                        "predicted": rate * executions,
                        "seen": seen["requests"] * executions / seen["elapsed"],
                    }
                )
    return found


def check(mixes, rounds, seconds, patience):
    quiet = Quiet()
    rows = []
    for title, seen in differences(mixes, rounds, seconds, patience).items():

        def middle(value, seen=seen):
            return statistics.median(map(value, seen))

        ratios = sorted(row["seen"] / row["predicted"] - 1 for row in seen)
        rows.append(
            {
                "title": title,
                "predicted": middle(lambda row: row["predicted"]),
                "seen": middle(lambda row: row["seen"]),
                "difference": statistics.median(ratios),
                "lowest": ratios[0],
                "highest": ratios[-1],
                "others": middle(lambda row: row["others"] / row["elapsed"]),
                "idle": middle(lambda row: row["idle"]),
                "caller": middle(lambda row: row["caller"] / row["elapsed"]),
            }
        )
    return rows, quiet.others()


def compare_waits(seconds):
    """Has a real server take programs that sleep, so that its processors do not matter, and the simulation
    the same arrivals, each with the time that it held its worker. Returns the waits of both, in order."""
    workers, mean = 4, 0.4
    rate = UTILISED * workers / mean
    load = Load(lambda _: rate, rate, seconds, lambda random: (0.0, random.expovariate(1 / mean)))
    drawn = itertools.takewhile(lambda arrival: arrival[0] < seconds, poisson(load, random.Random(SEED)))
    requests = [
        (at, run_code(code=f"import time\ntime.sleep({idle:.4f})", timings=True)) for at, _, idle in drawn
    ]
    with Server(FAAS_WORKER_COUNT=str(workers), FAAS_LANGUAGE="python") as server:
        closed(server.port, itertools.repeat(run_code(code="import time")), 4, count=20)
        seen = opened(server.port, requests, connections=200)
    seen.expect_success("programs that sleep")
    arrivals = [(at, 0.0, held) for at, _, held in seen.turns]
    service = Service(workers=workers, queue_size=len(requests))
    last = dataclasses.replace(load, seconds=seconds + PATIENCE)
    simulated = Simulation(service, Scaler(least=1, most=1), last, arrivals=arrivals).run()
    return sorted(waited for _, waited, _ in seen.turns), simulated.waits()
