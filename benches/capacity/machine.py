"""What the kernel tells of this machine and of the processes of a server."""

import dataclasses
import os
import pathlib
import platform

PROC = pathlib.Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Cpu:
    """CPU seconds of a server since it began."""

    supervisor: float
    # Of processes that ended and were waited for: the kernel adds them to their parent.
    ended: float
    # Of those that live, by process.
    living: dict[int, float]

    def total(self):
        return self.supervisor + self.ended + sum(self.living.values())

    def since(self, earlier):
        return self.total() - earlier.total()

    def busiest_since(self, earlier):
        """What the busiest process used that lived all the time: most forks have one and the same parent."""
        both = self.living.keys() & earlier.living.keys()
        return max((self.living[pid] - earlier.living[pid] for pid in both), default=0.0)


def read(path):
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stat_of(pid):
    """Fields of /proc/PID/stat from the state on; none if the process is gone."""
    return read(PROC / str(pid) / "stat").rpartition(")")[2].split()


def of_threads(pid, file):
    """What a file of each thread of a process says; nothing of those that are gone."""
    folder = PROC / str(pid) / "task"
    try:
        threads = os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [text for thread in threads if (text := read(folder / thread / file))]


def children(pid):
    return [int(child) for text in of_threads(pid, "children") for child in text.split()]


def cpu_of(supervisor):
    # A sandbox that waits has used less than a tick: only the scheduler's own count, in ns, can tell.
    living = {
        child: sum(int(text.split()[0]) / 1e9 for text in of_threads(child, "schedstat"))
        for child in children(supervisor)
    }
    own = stat_of(supervisor)
    user, system, user_of_ended, system_of_ended = (int(ticks) * TICK for ticks in own[11:15])
    return Cpu(user + system, user_of_ended + system_of_ended, living)


@dataclasses.dataclass
class Memory:
    """Memory of processes together, in MiB."""

    # Resident, with what is shared divided by those who share it.
    pss: float = 0.0
    private_dirty: float = 0.0
    # The kernel's page tables, which are in none of the others.
    page_tables: float = 0.0
    processes: int = 0

    def all(self):
        return self.pss + self.page_tables


def memory_of(pids):
    memory = Memory()
    for pid in pids:
        sizes = {}
        for file in ("smaps_rollup", "status"):
            for line in read(PROC / str(pid) / file).splitlines():
                name, _, rest = line.partition(":")
                if rest.endswith(" kB"):
                    sizes[name] = int(rest.split()[0]) / 1024
        memory.pss += sizes.get("Pss", 0)
        memory.private_dirty += sizes.get("Private_Dirty", 0)
        memory.page_tables += sizes.get("VmPTE", 0)
        memory.processes += "Pss" in sizes
    return memory


@dataclasses.dataclass
class Times:
    """CPU seconds of all processors since the machine began."""

    busy: float
    steal: float


def times():
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(ticks) * TICK for ticks in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return Times(user + nice + system + irq + softirq, steal)


def cores():
    return len(os.sched_getaffinity(0))


def description():
    [model, *_] = [
        line.partition(":")[2].strip()
        for line in (PROC / "cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ] or [platform.machine()]
    [total] = [line for line in (PROC / "meminfo").read_text().splitlines() if line.startswith("MemTotal")]
    return {
        "cores": cores(),
        "cpu": model,
        "memory_gib": round(int(total.split()[1]) / 2**20, 1),
        "kernel": platform.release(),
    }
