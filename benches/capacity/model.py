"""What a rate of executions takes, by the figures that were measured."""

import dataclasses
import math

# Of a pod's processors: beyond it, waits grow fast (see the plots), and a pod that fails leaves no room.
UTILISATION = 0.7


@dataclasses.dataclass(frozen=True)
class Pod:
    """One server, as docker/kubernetes/deployment.yaml has it."""

    cores: float = 2
    # What is reserved for it on its machine: it mostly has less than with every program at its limit.
    memory_mib: int = 2048
    workers: int = 8


@dataclasses.dataclass(frozen=True)
class Machine:
    cores: float
    memory_gib: float
    # Of the system, and what runs there for it.
    reserved_cores: float = 0
    reserved_gib: float = 1

    def pods(self, pod):
        by_cores = (self.cores - self.reserved_cores) / pod.cores
        by_memory = (self.memory_gib - self.reserved_gib) * 1024 / pod.memory_mib
        fitting = math.floor(min(by_cores, by_memory))
        return fitting, "memory" if math.floor(by_memory) < math.floor(by_cores) else "processors"


@dataclasses.dataclass(frozen=True)
class Work:
    """What executions take, on the average of a mix."""

    # CPU seconds of one execution.
    cpu: float
    # Seconds from its turn to its end, if it has a processor for itself.
    seconds: float
    # CPU seconds that the busiest single process takes for it: the one that forks.
    forking: float
    # MiB while it runs.
    memory: float
    # MiB of a server that executes nothing.
    idle_memory: float


@dataclasses.dataclass(frozen=True)
class Program:
    """What programs take by themselves, over the smallest ones that were measured: seconds, and MiB."""

    cpu: float = 0
    idle: float = 0
    memory: float = 0


SMALLEST = Program()


def work(figures, mix, program=SMALLEST):
    """Of a mix of kinds and their shares."""
    whole = sum(mix.values())
    kinds = figures["kinds"]

    def average(key):
        return sum(share * kinds[name][key] for name, share in mix.items()) / whole

    # Each kind has a forking process of its own.
    forking = max(share * kinds[name]["forking"] for name, share in mix.items()) / whole
    seconds = max(average("seconds"), average("cpu")) + program.cpu + program.idle
    memory = figures["memory_mib"]["python"]["each"] + program.memory
    idle = idle_memory(figures, package_sets="pandas" in mix)
    return Work(average("cpu") + program.cpu, seconds, forking, memory, idle)


def limits(work, pod, utilisation=UTILISATION):
    """Executions per second that each resource of a pod allows, the least first."""
    at_once = {
        "workers": pod.workers,
        "memory": max(0, pod.memory_mib - work.idle_memory) / work.memory,
    }
    found = {name: number * utilisation / work.seconds for name, number in at_once.items()}
    found["processors"] = pod.cores * utilisation / work.cpu
    if work.forking > 0:
        found["the process that forks"] = utilisation / work.forking
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


@dataclasses.dataclass(frozen=True)
class Plan:
    rate_of_a_pod: float
    limited_by: str
    pods: int
    pods_on_a_machine: int
    packed_by: str
    machines: int


def plan(rate, work, pod, machine, utilisation=UTILISATION, spare=1):
    """`spare` machines more, so that this many may fail."""
    limited_by, of_a_pod = next(iter(limits(work, pod, utilisation).items()))
    if not of_a_pod > 0:
        raise ValueError(f"a pod of {pod.memory_mib} MiB has no memory for programs; give it more")
    on_a_machine, packed_by = machine.pods(pod)
    if on_a_machine < 1:
        raise ValueError(f"no pod of {pod.cores} processors and {pod.memory_mib} MiB fits on such a machine")
    pods = math.ceil(rate / of_a_pod)
    return Plan(of_a_pod, limited_by, pods, on_a_machine, packed_by, math.ceil(pods / on_a_machine) + spare)


def cost_per_million(price_per_hour, rate_of_a_machine):
    return price_per_hour / 3600 / rate_of_a_machine * 1e6


def idle_memory(figures, waiting=10, package_sets=0, snapshots=0, sessions=0):
    """MiB of a server that serves both languages and executes nothing."""
    memory = figures["memory_mib"]
    python, javascript = memory["python"], memory["javascript"]
    return (
        # Each of the two was measured with a supervisor; one is counted twice, which is little.
        python["rest"]
        + javascript["rest"]
        + waiting * (python["each"] + javascript["each"])
        + package_sets * memory["package_set"]
        + snapshots * memory["snapshot"]
        + sessions * memory["session"]
    )
