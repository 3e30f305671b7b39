"""The command line of scripts/capacity."""

import argparse
import json
import pathlib

from . import check, machine, measure, model, report, scenarios
from .kinds import KINDS

EPILOG = "docs/capacity.md says what the figures mean."


def mix_of(text):
    """python=0.5,cell=0.5"""
    mix = {}
    for entry in text.split(","):
        name, _, share = entry.partition("=")
        if name not in KINDS:
            raise argparse.ArgumentTypeError(f"{name} is no kind; there are {', '.join(KINDS)}")
        try:
            mix[name] = float(share or 1)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{share} is no share of {name}") from error
    if min(mix.values()) <= 0:
        raise argparse.ArgumentTypeError("a share must be more than 0")
    return mix


def positive(text):
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text} must be more than 0")
    return number


def add_rounds(command, rounds):
    command.add_argument("--rounds", type=int, default=rounds, help="of which the median counts")
    command.add_argument(
        "--patience",
        type=float,
        default=0,
        metavar="S",
        help="wait so long before each round for others to leave the machine alone",
    )


def parser():
    top = argparse.ArgumentParser(prog="scripts/capacity", description=__doc__, epilog=EPILOG)
    commands = top.add_subparsers(required=True, dest="command")
    one = commands.add_parser("measure", help="what executions and processes cost on this machine")
    add_rounds(one, 5)
    one.add_argument("--to", type=pathlib.Path, default=measure.FIGURES, help="where the figures go")
    one.set_defaults(run=run_measure)

    one = commands.add_parser("plan", help="what a rate takes, and what limits first")
    one.add_argument("--figures", type=pathlib.Path, default=measure.FIGURES)
    one.add_argument("--rate", type=positive, action="append", metavar="N", help="executions per second")
    one.add_argument("--mix", type=mix_of, default={"python": 1.0}, help="such as python=0.7,cell=0.3")
    one.add_argument(
        "--program-cpu", type=float, default=0, metavar="S", help="CPU time of the program itself"
    )
    one.add_argument("--program-idle", type=float, default=0, metavar="S", help="time that it only waits")
    one.add_argument("--program-memory", type=float, default=0, metavar="MIB", help="memory of its own")
    pod = model.Pod()
    one.add_argument("--workers", type=int, default=pod.workers, help="FAAS_WORKER_COUNT of a pod")
    one.add_argument("--pod-cores", type=positive, default=pod.cores, metavar="N", help="that a pod asks for")
    one.add_argument(
        "--pod-memory", type=positive, default=pod.memory_mib, metavar="MIB", help="that it asks for"
    )
    one.add_argument("--cores", type=positive, default=16, help="of a machine")
    one.add_argument("--memory", type=positive, default=64, metavar="GIB", help="of a machine")
    one.add_argument("--price-per-hour", type=positive, metavar="P", help="of a machine, in any currency")
    one.add_argument("--utilisation", type=positive, default=model.UTILISATION)
    one.add_argument("--spare", type=int, default=1, help="machines more, which may fail")
    one.set_defaults(run=run_plan)

    one = commands.add_parser("check", help="what the model predicts for this machine, and what is seen")
    add_rounds(one, 5)
    one.add_argument("--seconds", type=positive, default=4, help="of full load in each round")
    one.set_defaults(run=run_check)

    one = commands.add_parser("simulate", help="bursts, boots and failures under an autoscaler")
    one.add_argument(
        "sweeps", nargs="*", metavar="SWEEP", help=f"of {', '.join(scenarios.SWEEPS)}; all if none"
    )
    one.set_defaults(run=run_simulate)

    one = commands.add_parser("docs", help="write the tables and plots of docs/capacity.md")
    one.set_defaults(run=lambda _: report.write_docs())
    return top


def run_measure(options):
    measure.measure(options.rounds, options.patience, options.to)
    print("\n".join(report.tables_of_figures(json.loads(options.to.read_text()))))


def run_plan(options):
    figures = json.loads(options.figures.read_text())
    program = model.Program(options.program_cpu, options.program_idle, options.program_memory)
    work = model.work(figures, options.mix, program)
    pod = model.Pod(options.pod_cores, options.pod_memory, options.workers)
    of_machine = model.Machine(options.cores, options.memory)
    rates = options.rate or report.RATES
    print("\n".join(report.plan_lines(work, pod, of_machine, rates, options)))


MIXES = {
    "Python": {"python": 1.0},
    "JavaScript": {"javascript": 1.0},
    "cells of sessions": {"cell": 1.0},
    "programs from a snapshot": {"fork": 1.0},
    "rows in forks": {"row": 1.0},
    "rows, shared": {"shared_row": 1.0},
    "5 Python, 3 JavaScript, 2 from a snapshot": {"python": 0.5, "javascript": 0.3, "fork": 0.2},
}


def run_check(options):
    rows, quiet = check.check(MIXES, options.rounds, options.seconds, options.patience)
    print("\n".join(report.table_of_check(rows)))
    print(
        f"\nOthers used {quiet['processors_of_others']} of {machine.cores()} processors meanwhile; "
        f"{quiet['processors_stolen']} were stolen."
    )
    print()
    print("\n".join(report.table_of_waits(*check.compare_waits(60))))


def run_simulate(options):
    for name in options.sweeps or scenarios.SWEEPS:
        print("\n".join(["", *report.sweep_lines(name)]), flush=True)


def main():
    options = parser().parse_args()
    try:
        options.run(options)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"scripts/capacity: {error}") from error
