"""What is simulated for docs/capacity.md, and for the numbers of docker/kubernetes."""

import dataclasses
import math

from . import model
from .plot import Panel, figure
from .simulation import Load, Scaler, Service, Simulation, quantile

# CPU seconds of the fork of a sandbox, its end and the server; and of the program itself, on the average.
SANDBOX, PROGRAM = 0.006, 0.044
# One program in twenty takes ten times as long as the others.
LONG, LONGER = 0.05, 10
SHORT = PROGRAM / (1 - LONG + LONG * LONGER)
MEAN = SANDBOX + PROGRAM
# Arrivals per second: half of what two pods of two processors take.
RATE = 40
# The manifests' choice; the sweeps below change one thing each.
SERVICE = Service(workers=8, cores=2, queue_size=1000, queue_timeout=10)
SCALER = Scaler(least=2, most=20, targets={"waiting": 4, "cpu": 2 * model.UTILISATION})
MINUTE = 60.0
# In bursts, four times as many come for five minutes.
BURST, BURST_BEGIN, BURST_END = 4, 5 * MINUTE, 10 * MINUTE


def draw(random):
    mean = SHORT * LONGER if random.random() < LONG else SHORT
    return SANDBOX + random.expovariate(1 / mean), 0.0


def steady(rate=RATE, minutes=10):
    return Load(lambda _: rate, rate, minutes * MINUTE, draw)


def burst(rate=RATE, factor=BURST, minutes=15):
    def now(at):
        return rate * factor if BURST_BEGIN <= at < BURST_END else rate

    return Load(now, rate * factor, minutes * MINUTE, draw)


def ramp(rate=RATE, factor=BURST, minutes=20):
    """As many more, but over ten minutes."""

    def now(at):
        return rate * (1 + (factor - 1) * min(1, max(0, at - BURST_BEGIN) / (10 * MINUTE)))

    return Load(now, rate * factor, minutes * MINUTE, draw)


def bursts(rate=RATE, factor=BURST, minutes=40):
    """Two minutes of each eight."""

    def now(at):
        return rate * factor if at % (8 * MINUTE) >= 6 * MINUTE else rate

    return Load(now, rate * factor, minutes * MINUTE, draw)


@dataclasses.dataclass
class Row:
    case: str
    figures: dict[str, float]


def windows(simulation, seconds=10):
    """The 95th percentile of the waits of those who came in each window."""
    found = {}
    for job in simulation.jobs:
        # Who has not had a turn yet, or was refused for good, waits for as long as there was.
        waited = simulation.now - job.at if job.waited is None else job.waited
        found.setdefault(int(job.at // seconds), []).append(waited)
    return [(number * seconds, quantile(sorted(waits), 0.95)) for number, waits in sorted(found.items())]


def summary(simulation, since=0.0, until=math.inf):
    waits = simulation.waits(since, until)
    slow = [at for at, wait in windows(simulation) if wait > 1 and at >= since]
    return {
        "p95 wait, ms": 1000 * quantile(waits, 0.95),
        "p99 wait, ms": 1000 * quantile(waits, 0.99),
        "s with p95 over 1 s": 10 * len(slow),
        "refused": simulation.refusals,
        "lost": simulation.lost,
        "most pods": max(sample.alive for sample in simulation.samples),
        "pod hours": simulation.replica_hours(),
    }


def run(load, service=SERVICE, scaler=SCALER, **options):
    return Simulation(service, scaler, load, **options).run()


def scaled(**changes):
    return dataclasses.replace(SCALER, **changes)


def served(**changes):
    return dataclasses.replace(SERVICE, **changes)


IN_BURST = {"since": BURST_BEGIN, "until": BURST_END}


def by_targets():
    """What the autoscaler goes by, when four times as many come over ten minutes."""
    cpu = {"cpu": SCALER.targets["cpu"]}
    cases = {f"{target} waiting a pod": {"waiting": target} for target in (1, 4, 16)}
    cases |= {"processors": cpu}
    cases |= {f"{target} waiting a pod, and processors": {"waiting": target} | cpu for target in (1, 4, 16)}
    return [
        Row(case, summary(run(ramp(), scaler=scaled(targets=targets)))) for case, targets in cases.items()
    ]


def by_targets_in_bursts():
    """The same, when four times as many come at once."""
    cpu = {"cpu": SCALER.targets["cpu"]}
    cases = {
        "4 waiting a pod": {"waiting": 4},
        "processors": cpu,
        "4 waiting a pod, and processors": SCALER.targets,
    }
    return [
        Row(case, summary(run(burst(), scaler=scaled(targets=targets)), **IN_BURST))
        for case, targets in cases.items()
    ]


def by_scrape():
    """How often Prometheus asks the pods."""
    return [
        Row(f"every {scrape} s", summary(run(burst(), scaler=scaled(scrape=scrape)), **IN_BURST))
        for scrape in (5, 15, 30, 60)
    ]


def by_boot():
    """How long a pod takes until it is ready."""
    cases = {"6 s: its node is there": 6, "30 s: the image is fetched": 30, "120 s: a node is added": 120}
    return [
        Row(case, summary(run(burst(), service=served(boot=boot)), **IN_BURST))
        for case, boot in cases.items()
    ]


def by_step():
    """How many pods may be added at once, when four times as many come at once."""
    cases = {
        "2 every 15 s": {"up_factor": 1},
        "as many as there are, or 2": {},
        "three times as many as there are": {"up_factor": 4},
    }
    return [
        Row(case, summary(run(burst(), scaler=scaled(**step)), **IN_BURST)) for case, step in cases.items()
    ]


def by_room():
    """How many pods there always are, when four times as many come at once."""
    return [
        Row(f"{least}", summary(run(burst(), scaler=scaled(least=least)), **IN_BURST))
        for least in (2, 3, 4, 6)
    ]


def by_failure():
    """How many pods there are, half in use, when some of them fail at once."""
    rows = []
    for least, failing in ((1, 1), (2, 1), (2, 2), (3, 1)):
        load = steady(rate=RATE * least / 2)
        simulation = run(load, scaler=scaled(least=least), failures=[BURST_BEGIN] * failing)
        case = f"{failing} of {least}"
        rows.append(Row(case, summary(simulation, BURST_BEGIN - 10, BURST_BEGIN + MINUTE)))
    return rows


def by_window():
    """How long the autoscaler waits before it ends pods, when a burst of two minutes comes every eight."""
    return [
        Row(f"{window} s", summary(run(bursts(), scaler=scaled(down_window=window))))
        for window in (0, 60, 300, 600)
    ]


def by_queue():
    """How long a request may wait before it comes again, when four times as many come at once."""
    return [
        Row(
            "as long as it takes" if timeout is None else f"{timeout} s",
            summary(run(burst(), service=served(queue_timeout=timeout)), **IN_BURST),
        )
        for timeout in (None, 30, 10, 5, 2, 1)
    ]


def by_balancer():
    """Who chooses the pod, at 70 % of what two pods take."""
    cases = {"a Service: any of them": False, "a balancer: the one with the fewest programs": True}
    load = steady(rate=2 * model.UTILISATION * SERVICE.cores / MEAN)
    return [
        Row(case, summary(run(load, scaler=scaled(most=2), least_busy=least)))
        for case, least in cases.items()
    ]


SWEEPS = {
    "targets": by_targets,
    "targets-in-bursts": by_targets_in_bursts,
    "scrape": by_scrape,
    "boot": by_boot,
    "step": by_step,
    "room": by_room,
    "failure": by_failure,
    "window": by_window,
    "queue": by_queue,
    "balancer": by_balancer,
}

# Longest wait that plots show, in s.
SHOWN = 60
UTILISATIONS = [0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


def plot_of_utilisation():
    """How long programs take, the more the pods are used."""
    cases = {"1 pod": (1, False), "8 pods, a Service": (8, False), "8 pods, fewest programs": (8, True)}
    lines = {}
    for name, (pods, least_busy) in cases.items():
        lines[name] = []
        for utilisation in UTILISATIONS:
            rate = utilisation * pods * SERVICE.cores / MEAN
            load = dataclasses.replace(steady(rate), seconds=10_000 / rate)
            fixed = scaled(least=pods, most=pods)
            simulation = run(
                load, served(queue_size=10_000, queue_timeout=None), fixed, least_busy=least_busy
            )
            lines[name].append((100 * utilisation, 1000 * quantile(simulation.times(), 0.95)))
    panel = Panel("from a request to its answer, 95th percentile, ms", lines, highest=1500)
    return figure("Why 70 %: programs of 50 ms on pods of two processors", "processors in use, %", [panel])


def minutes(points):
    return [(at / MINUTE, value) for at, value in points]


def capacity_of(simulation):
    """Executions per second that the pods take which are ready."""
    return minutes(
        (sample.at, sample.ready * SERVICE.cores / MEAN)
        for sample in simulation.samples
        if sample.at % 5 == 0
    )


def plot_of_boots():
    load = burst()
    lines, waits = {"arrivals": minutes((at, load.rate(at)) for at in range(0, int(load.seconds), 5))}, {}
    for boot in (6, 30, 120):
        simulation = run(load, served(boot=boot))
        lines[f"boot {boot} s"] = capacity_of(simulation)
        waits[f"boot {boot} s"] = minutes(windows(simulation))
    panels = [
        Panel("executions per second: arrivals, and what ready pods take", lines),
        Panel(
            "wait for a worker, 95th percentile of 10 s, s; those who were lost count as longer", waits, SHOWN
        ),
    ]
    return figure("A burst of four times as many, by how long a pod takes to boot", "minutes", panels)


def plot_of_room():
    load = burst()
    pods, waits = {}, {}
    for least in (2, 3, 4):
        simulation = run(load, scaler=scaled(least=least))
        pods[f"at least {least}"] = minutes((s.at, s.alive) for s in simulation.samples if s.at % 5 == 0)
        waits[f"at least {least}"] = minutes(windows(simulation))
    panels = [
        Panel("pods", pods),
        Panel(
            "wait for a worker, 95th percentile of 10 s, s; those who were lost count as longer", waits, SHOWN
        ),
    ]
    return figure("The same burst, by how many pods there always are", "minutes", panels)


PLOTS = {"utilisation": plot_of_utilisation, "boots": plot_of_boots, "room": plot_of_room}
