"""Tables of figures, plans and simulations, as Markdown, and docs/capacity.md, which has them."""

import json
import re

from . import measure, model, scenarios
from .kinds import KINDS
from .server import ROOT
from .simulation import quantile

PAGE = ROOT / "docs/capacity.md"
PLOTS = ROOT / "docs/capacity"
RATES = [1_000, 10_000, 100_000]
# For which the page has what a rate takes.
WORKLOADS = {
    "`print('hi')` in Python": ({"python": 1.0}, model.Program()),
    "`console.log('hi')` in JavaScript": ({"javascript": 1.0}, model.Program()),
    "Python, 50 ms of CPU time each": ({"python": 1.0}, model.Program(cpu=0.05)),
    "Python, each waits 1 s for something": ({"python": 1.0}, model.Program(idle=1)),
    "a sum with pandas": ({"pandas": 1.0}, model.Program()),
    "cells of sessions": ({"cell": 1.0}, model.Program()),
    "programs from a snapshot": ({"fork": 1.0}, model.Program()),
    "rows of batches, in forks": ({"row": 1.0}, model.Program()),
    "rows of batches, `shared`": ({"shared_row": 1.0}, model.Program()),
}
MACHINE = model.Machine(cores=16, memory_gib=64)


def readable(value):
    if isinstance(value, str):
        return value
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|--:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(readable(cell) for cell in row) + " |"


def table_of_costs(figures):
    rows = [
        [
            KINDS[name].title,
            1000 * kind["cpu"],
            f"{readable(1000 * kind['lowest'])} to {readable(1000 * kind['highest'])}",
            1000 * kind["supervisor"],
            1000 * kind["forking"],
            1000 * kind["seconds"],
        ]
        for name, kind in figures["kinds"].items()
    ]
    head = ["an execution of", "CPU ms", "rounds", "of these the supervisor", "the process that forks"]
    yield from table([*head, "ms until the answer, alone"], rows)


def table_of_memory(figures):
    memory, boot = figures["memory_mib"], figures["boot"]
    rows = [
        ["a Python sandbox that waits", memory["python"]["each"]],
        ["a JavaScript sandbox that waits", memory["javascript"]["each"]],
        ["a snapshot", memory["snapshot"]],
        [
            f"a session of four cells ({memory['session_processes']:.1f} processes, for two steps of undo)",
            memory["session"],
        ],
        ["a package set: pandas, with what waits of it", memory["package_set"]],
        ["the supervisor and Python's zygote", memory["python"]["rest"]],
        ["the supervisor and JavaScript's zygote", memory["javascript"]["rest"]],
    ]
    yield from table(["memory of", "MiB"], rows)
    yield ""
    yield f"A start takes {boot['seconds']:.1f} s until it is ready for both languages."


def tables_of_figures(figures):
    yield sentence_of_machine(figures)
    yield ""
    yield from table_of_costs(figures)
    yield ""
    yield from table_of_memory(figures)


def sentence_of_machine(figures):
    it = figures["machine"]
    return (
        f"{it['cores']} processors ({it['cpu']}), {it['memory_gib']} GiB, Linux {it['kernel']}, "
        f"{figures['taken']}; medians of {figures['rounds']} rounds. "
        f"The load average was {figures['quiet']['load_average']:.1f} at the end."
    )


def table_of_plans(figures):
    pod, rows = model.Pod(), []
    for title, (mix, program) in WORKLOADS.items():
        work = model.work(figures, mix, program)
        plans = [model.plan(rate, work, pod, MACHINE) for rate in RATES]
        of_a_machine = plans[0].rate_of_a_pod * plans[0].pods_on_a_machine
        rows.append(
            [
                title,
                plans[0].limited_by,
                plans[0].rate_of_a_pod,
                *(f"{plan.machines:,}" for plan in plans),
                f"{readable(model.cost_per_million(1, of_a_machine))} P",
            ]
        )
    head = ["executions", "limited by", "a second and pod", *(f"machines for {rate:,}/s" for rate in RATES)]
    yield from table([*head, "a million costs"], rows)


def plan_lines(work, pod, machine, rates, options):
    cpu, held, part = 1000 * work.cpu, 1000 * work.seconds, 100 * options.utilisation
    yield f"An execution takes {cpu:.3g} ms of CPU time and holds a worker for {held:.3g} ms."
    yield (
        f"A pod of {pod.cores:g} processors, {pod.memory_mib:g} MiB and {pod.workers} workers takes, "
        f"if {part:.0f} % of them are used:"
    )
    for name, rate in model.limits(work, pod, options.utilisation).items():
        yield f"  {readable(rate)} a second, by {name}"
    for rate in rates:
        plan = model.plan(rate, work, pod, machine, options.utilisation, options.spare)
        yield (
            f"{rate:,.0f} a second: {plan.pods} pods on {plan.machines} machines, {options.spare} to spare, "
            f"{plan.pods_on_a_machine} on each (limited by {plan.packed_by})."
        )
    of_a_machine = plan.rate_of_a_pod * plan.pods_on_a_machine
    factor = model.cost_per_million(1, of_a_machine)
    rate = readable(of_a_machine)
    yield f"At P an hour for a machine a million cost P / 3600 / {rate} * 10^6 = {readable(factor)} P."
    if options.price_per_hour:
        yield f"With P = {options.price_per_hour:g}: {readable(factor * options.price_per_hour)}."


def percent(ratio):
    return f"{100 * ratio:+.0f} %"


def table_of_check(rows):
    cells = [
        [
            row["title"],
            row["predicted"],
            row["seen"],
            percent(row["difference"]),
            f"{percent(row['lowest'])} to {percent(row['highest'])}",
            row["caller"],
            row["others"],
            row["idle"],
        ]
        for row in rows
    ]
    head = [
        "",
        "predicted a second",
        "seen",
        "difference",
        "rounds",
        "processors of callers",
        "of others",
        "idle",
    ]
    yield from table(head, cells)


def table_of_waits(seen, simulated):
    rows = [
        [f"{100 * share:g} %", 1000 * quantile(seen, share), 1000 * quantile(simulated, share)]
        for share in (0.5, 0.75, 0.9, 0.95, 0.99)
    ]
    yield from table([f"of {len(seen)} programs wait no longer than", "ms, server", "ms, simulation"], rows)


def sweep_lines(name):
    rows = scenarios.SWEEPS[name]()
    yield scenarios.SWEEPS[name].__doc__
    yield ""
    yield from table(["", *rows[0].figures], [[row.case, *row.figures.values()] for row in rows])


def figures_of_page():
    return json.loads(measure.FIGURES.read_text())


def blocks():
    """What the page has between marks, by its name."""
    figures = figures_of_page()
    made = {
        "machine": lambda: [sentence_of_machine(figures)],
        "costs": lambda: table_of_costs(figures),
        "memory": lambda: table_of_memory(figures),
        "plans": lambda: table_of_plans(figures),
    }
    return made | {name: lambda name=name: list(sweep_lines(name))[2:] for name in scenarios.SWEEPS}


def block_of(page, name):
    """A block as the page has it."""
    return re.search(rf"<!-- {name} -->\n\n(.*?)\n\n<!-- -->", page, re.DOTALL)[1]


def write_docs():
    page = PAGE.read_text()
    for name, lines in blocks().items():
        text = "\n".join(lines())
        page = page.replace(f"<!-- {name} -->\n\n{block_of(page, name)}\n", f"<!-- {name} -->\n\n{text}\n")
    PAGE.write_text(page)
    PLOTS.mkdir(exist_ok=True)
    for name, plot in scenarios.PLOTS.items():
        (PLOTS / f"{name}.svg").write_text(plot())
