"""A simulation of replicas by events: callers who come again, a balancer, queues, processors that are shared,
an autoscaler, boots and failures. With the same seed it comes out the same."""

import collections
import dataclasses
import heapq
import itertools
import math
import random
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Service:
    """A server and its settings."""

    workers: int = 8
    cores: float = 2
    queue_size: int = 1000
    # FAAS_QUEUE_TIMEOUT in seconds; none if unset.
    queue_timeout: float | None = None
    # From a pod's creation until its server is ready: scheduling, and the boot that was measured.
    boot: float = 6
    # Readiness probe: every so many seconds, and how many failures take a replica out.
    probe_period: float = 5
    probe_failures: int = 2


@dataclasses.dataclass(frozen=True)
class Scaler:
    """A HorizontalPodAutoscaler, or the one that KEDA makes. KEDA's pollingInterval and cooldownPeriod have
    no part in it: they are for the step from no replica to one, and back."""

    least: int = 2
    most: int = 20
    # What a replica should have of each load: "waiting" requests, "cpu" (processors in use).
    targets: dict[str, float] = dataclasses.field(default_factory=lambda: {"waiting": 4})
    # Prometheus asks each server so often, and the autoscaler looks so often at what that found.
    scrape: float = 15
    period: float = 15
    tolerance: float = 0.1
    # Seconds over which the number wanted was never lower, before replicas are ended; and for which one ends.
    down_window: float = 300
    down_period: float = 60
    up_replicas: int = 2
    up_factor: float = 2


@dataclasses.dataclass(frozen=True)
class Load:
    """What callers do."""

    # Arrivals per second at a time, and the most that it ever is.
    rate: Callable[[float], float]
    highest_rate: float
    seconds: float
    # Draws the CPU seconds and the idle seconds of a program.
    draw: Callable[[random.Random], tuple[float, float]]
    # How often a caller sends a refused program again.
    tries: int = 4
    # Seconds before that, at least: what Retry-After says counts, too.
    pause: float = 0.5


def poisson(load, random):
    """Times and programs of arrivals at a rate that changes: drawn at the highest one, and thinned."""
    at = 0.0
    while True:
        at += random.expovariate(load.highest_rate)
        if random.random() * load.highest_rate <= load.rate(at):
            yield at, *load.draw(random)


@dataclasses.dataclass
class Job:
    at: float
    cpu: float
    idle: float
    tries: int = 0
    queued_at: float = 0
    # For waits: seconds until it had its turn, with those before it was refused.
    waited: float | None = None
    # Seconds from its arrival to its end.
    took: float | None = None


@dataclasses.dataclass
class Sample:
    at: float
    ready: int
    alive: int
    waiting: int
    executing: int


class Replica:
    """A server. Programs that compute share its processors; those that sleep do not."""

    def __init__(self, simulation, number):
        self.simulation, self.number, self.service = simulation, number, simulation.service
        self.waiting = collections.deque()
        self.executing = {}
        # CPU seconds that each computing program has had: all had the same since they began, so it is one
        # number that grows, and for each program the number at which it is done.
        self.given, self.given_at = 0.0, 0.0
        self.computing = []
        self.version = 0
        self.used = 0.0
        self.mean_turn = 0.0
        self.ready = self.draining = self.gone = False
        self.failed_probes = 0

    def is_busy(self):
        return len(self.executing) >= self.service.workers

    def expected_wait(self):
        if not self.is_busy():
            return 0.0
        return self.mean_turn * (len(self.waiting) + 1) / self.service.workers

    def take(self, job):
        """Whether the program runs or waits here, rather than being refused."""
        now = self.simulation.now
        if self.is_busy():
            limit = self.service.queue_timeout
            if limit is not None and self.mean_turn > 0 and self.expected_wait() > limit:
                return False
            if len(self.waiting) >= self.service.queue_size:
                return False
            job.queued_at = now
            self.waiting.append(job)
            if limit is not None:
                self.simulation.after(limit, self.give_up, job, now)
        else:
            self.begin(job)
        return True

    def give_up(self, job, queued_at):
        if job.waited is None and job.queued_at == queued_at and job in self.waiting:
            self.waiting.remove(job)
            self.simulation.refuse(job, self.expected_wait())

    def begin(self, job):
        now = self.simulation.now
        job.waited = now - job.at
        self.executing[id(job)] = job
        if job.idle > 0:
            self.simulation.after(job.idle, self.compute, job, now)
        else:
            self.compute(job, now)

    def compute(self, job, began):
        if self.gone:
            return
        self.advance()
        heapq.heappush(self.computing, (self.given + job.cpu, next(self.simulation.numbers), job, began))
        self.expect_end()

    def pace(self):
        return min(1.0, self.service.cores / len(self.computing)) if self.computing else 0.0

    def advance(self):
        now = self.simulation.now
        worked = (now - self.given_at) * self.pace()
        self.given += worked
        self.used += worked * len(self.computing)
        self.given_at = now

    def expect_end(self):
        self.version += 1
        if self.computing:
            left = max(0.0, self.computing[0][0] - self.given) / self.pace()
            self.simulation.after(left, self.end_first, self.version)

    def end_first(self, version):
        if self.gone or version != self.version:
            return
        self.advance()
        _, _, job, began = heapq.heappop(self.computing)
        self.expect_end()
        del self.executing[id(job)]
        took = self.simulation.now - began
        self.mean_turn += (took - self.mean_turn) / 8 if self.mean_turn else took
        job.took = self.simulation.now - job.at
        if self.waiting:
            self.begin(self.waiting.popleft())
        elif self.draining and not self.executing:
            self.gone = True

    def boot(self):
        self.ready = True
        self.simulation.after(self.service.probe_period, self.probe)

    def probe(self):
        if self.gone or self.draining:
            return
        full = self.is_busy() and len(self.waiting) >= math.ceil(self.service.queue_size * 3 / 4)
        self.failed_probes = self.failed_probes + 1 if full else 0
        self.ready = self.failed_probes < self.service.probe_failures
        self.simulation.after(self.service.probe_period, self.probe)

    def drain(self):
        self.ready, self.draining = False, True
        self.gone = not self.executing

    def fail(self):
        self.advance()
        self.gone, self.ready = True, False
        lost = [*self.executing.values(), *self.waiting]
        self.executing.clear()
        self.waiting.clear()
        self.computing.clear()
        return lost


class Simulation:
    """`least_busy` has the balancer choose the replica with the fewest programs; a Service of Kubernetes
    takes any. `arrivals` are those of the load unless they are given."""

    def __init__(self, service, scaler, load, seed=1, least_busy=False, failures=(), arrivals=None):
        self.service, self.scaler, self.load, self.least_busy = service, scaler, load, least_busy
        self.random = random.Random(seed)
        self.now, self.numbers, self.events = 0.0, itertools.count(), []
        self.replicas, self.jobs, self.samples = [], [], []
        self.refusals = self.lost = 0
        self.wanted = collections.deque()
        self.scraped, self.used_before, self.last_down = {}, 0.0, -math.inf
        for _ in range(scaler.least):
            self.create().boot()
        for at in failures:
            self.after(at, self.fail_one)
        self.arrivals = iter(arrivals or poisson(load, random.Random(f"arrivals {seed}")))
        self.expect_next()
        for what, period in ((self.scrape, scaler.scrape), (self.scale, scaler.period), (self.sample, 1.0)):
            self.after(period, self.every, what, period)

    def after(self, seconds, what, *arguments):
        heapq.heappush(self.events, (self.now + seconds, next(self.numbers), what, arguments))

    def every(self, what, period):
        what()
        self.after(period, self.every, what, period)

    def run(self):
        while self.events[0][0] <= self.load.seconds:
            self.now, _, what, arguments = heapq.heappop(self.events)
            what(*arguments)
        return self

    # Callers.

    def expect_next(self):
        arrival = next(self.arrivals, None)
        if arrival is not None:
            self.after(arrival[0] - self.now, self.arrive, Job(*arrival))

    def arrive(self, job):
        self.jobs.append(job)
        self.send(job)
        self.expect_next()

    def send(self, job):
        ready = [replica for replica in self.replicas if replica.ready and not replica.gone]
        if not ready:
            self.refuse(job, 0)
            return
        if self.least_busy:
            replica = min(ready, key=lambda it: (len(it.executing) + len(it.waiting), it.number))
        else:
            replica = self.random.choice(ready)
        if not replica.take(job):
            self.refuse(job, replica.expected_wait())

    def refuse(self, job, retry_after):
        """429, or 503 if nobody is there."""
        self.refusals += 1
        job.tries += 1
        if job.tries < self.load.tries:
            pause = max(retry_after, self.load.pause * 2 ** (job.tries - 1))
            self.after(pause * self.random.uniform(1, 1.5), self.send, job)
        else:
            self.lost += 1

    # Replicas.

    def create(self):
        replica = Replica(self, len(self.replicas))
        self.replicas.append(replica)
        return replica

    def alive(self):
        return [replica for replica in self.replicas if not replica.gone and not replica.draining]

    def start(self):
        self.after(self.service.boot, self.create().boot)

    def fail_one(self):
        """The oldest ends at once, and is replaced. What it ran is sent again."""
        replica = next(replica for replica in self.alive() if replica.ready)
        for job in replica.fail():
            job.waited = None
            self.after(self.load.pause, self.send, job)
        self.start()

    # The autoscaler.

    def scrape(self):
        alive = self.alive()
        for replica in alive:
            replica.advance()
        used = sum(replica.used for replica in self.replicas)
        self.scraped = {
            "waiting": sum(len(replica.waiting) for replica in alive),
            "cpu": (used - self.used_before) / self.scaler.scrape,
        }
        self.used_before = used

    def scale(self):
        scaler, alive = self.scaler, self.alive()
        have = len(alive)
        proposals = [scaler.least]
        for name, target in scaler.targets.items():
            ratio = self.scraped.get(name, 0) / (target * have)
            proposals.append(have if abs(ratio - 1) <= scaler.tolerance else math.ceil(ratio * have))
        want = min(scaler.most, max(proposals))
        self.wanted.append((self.now, want))
        while self.wanted[0][0] < self.now - scaler.down_window:
            self.wanted.popleft()
        if want > have:
            allowed = max(have + scaler.up_replicas, math.floor(have * scaler.up_factor))
            for _ in range(min(want, allowed) - have):
                self.start()
        elif (
            max(wanted for _, wanted in self.wanted) < have
            and self.now - self.last_down >= scaler.down_period
        ):
            self.last_down = self.now
            alive[-1].drain()

    def sample(self):
        alive = self.alive()
        self.samples.append(
            Sample(
                self.now,
                sum(replica.ready for replica in alive),
                len(alive),
                sum(len(replica.waiting) for replica in alive),
                sum(len(replica.executing) for replica in alive),
            )
        )

    # What came of it.

    def waits(self, since=0.0, until=math.inf):
        return sorted(job.waited for job in self.jobs if since <= job.at < until and job.waited is not None)

    def times(self):
        """From arrivals to ends."""
        return sorted(job.took for job in self.jobs if job.took is not None)

    def replica_hours(self):
        return sum(sample.alive for sample in self.samples) / 3600


def quantile(ordered, share):
    """Of values in order; 0 of none."""
    return ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))] if ordered else 0.0
