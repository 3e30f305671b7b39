#!/usr/bin/env python3
"""Checks scripts/capacity: the model by what it must say, the simulation by queueing theory, and measuring by
a real server, in seconds. Without target/release/faas-server it says that the last was skipped."""

import io
import json
import math
import os
import pathlib
import subprocess
import sys
import unittest
import unittest.mock
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benches"))
from capacity import commands, machine, measure, model, plot, report, scenarios, server  # noqa: E402
from capacity.kinds import KINDS  # noqa: E402
from capacity.simulation import Load, Scaler, Service, Simulation, quantile  # noqa: E402

FIGURES = {
    "kinds": {
        "python": {"cpu": 0.01, "seconds": 0.005, "forking": 0.001},
        "cell": {"cpu": 0.03, "seconds": 0.01, "forking": 0.0},
    },
    "memory_mib": {
        "python": {"each": 2.0, "rest": 150.0},
        "javascript": {"each": 1.0, "rest": 100.0},
        "package_set": 200.0,
        "snapshot": 3.0,
        "session": 7.0,
    },
}
POD = model.Pod(cores=2, memory_mib=2048, workers=8)
FIXED = Scaler(least=1, most=1)


def printed(*arguments):
    """What scripts/capacity prints."""
    run = subprocess.run(
        [ROOT / "scripts/capacity", *arguments], capture_output=True, text=True, check=True, cwd="/"
    )
    return run.stdout


def chance_to_wait(servers, offered):
    """Erlang's C: the share of arrivals that find all servers busy. `offered` is rate times service."""
    if offered >= servers:
        return 1.0
    term, below = 1.0, 0.0
    for number in range(servers):
        below += term
        term *= offered / (number + 1)
    waits = term * servers / (servers - offered)
    return waits / (below + waits)


def wait_of(servers, offered, service, share):
    """The wait in an M/M/c queue that this share of arrivals does not exceed, in the unit of `service`."""
    chance = chance_to_wait(servers, offered)
    if chance <= 1 - share:
        return 0.0
    return math.log(chance / (1 - share)) * service / (servers - offered)


class Model(unittest.TestCase):
    def work(self, mix, **program):
        return model.work(FIGURES, mix, model.Program(**program))

    def first(self, work, pod=POD):
        return next(iter(model.limits(work, pod).items()))

    def test_processors_limit_what_computes(self):
        limited_by, rate = self.first(self.work({"python": 1.0}))
        self.assertEqual(limited_by, "processors")
        self.assertAlmostEqual(rate, 2 * 0.7 / 0.01)

    def test_workers_limit_what_waits_and_memory_what_is_large(self):
        limited_by, rate = self.first(self.work({"python": 1.0}, idle=0.99))
        self.assertEqual(limited_by, "workers")
        self.assertAlmostEqual(rate, 8 * 0.7 / 1.0)
        limited_by, _ = self.first(self.work({"python": 1.0}, idle=1, memory=1000))
        self.assertEqual(limited_by, "memory")

    def test_the_forking_process_limits_a_pod_of_many_processors(self):
        wide = model.Pod(cores=64, memory_mib=65536, workers=512)
        limited_by, rate = self.first(self.work({"python": 1.0}), wide)
        self.assertEqual(limited_by, "the process that forks")
        self.assertAlmostEqual(rate, 0.7 / 0.001)

    def test_a_mix_costs_the_average_of_its_kinds(self):
        self.assertAlmostEqual(self.work({"python": 3.0, "cell": 1.0}).cpu, 0.015)

    def test_machines_are_those_that_the_pods_fit_on_and_one_to_spare(self):
        plan = model.plan(10_000, self.work({"python": 1.0}), POD, model.Machine(16, 64))
        self.assertEqual((plan.pods, plan.pods_on_a_machine, plan.machines), (72, 8, 10))
        plan = model.plan(10_000, self.work({"python": 1.0}), POD, model.Machine(16, 8))
        self.assertEqual((plan.pods_on_a_machine, plan.packed_by, plan.machines), (3, "memory", 25))
        with self.assertRaises(ValueError):
            model.plan(1, self.work({"python": 1.0}), POD, model.Machine(1, 64))

    def test_a_million_costs_what_its_machine_hours_cost(self):
        # 100 a second are 360,000 an hour.
        self.assertAlmostEqual(model.cost_per_million(0.36, 100), 1.0)

    def test_erlangs_c_is_that_of_its_tables(self):
        self.assertAlmostEqual(chance_to_wait(1, 0.7), 0.7)
        self.assertAlmostEqual(chance_to_wait(2, 1.0), 1 / 3)
        self.assertAlmostEqual(chance_to_wait(10, 8.0), 0.409, 3)


class ASimulation(unittest.TestCase):
    def test_waits_are_those_of_queueing_theory(self):
        mean, count = 0.1, 60_000
        for servers, offered in ((1, 0.7), (4, 3.2)):
            rate = offered / mean
            load = Load(
                lambda _, rate=rate: rate, rate, count / rate, lambda it: (it.expovariate(1 / mean), 0.0)
            )
            service = Service(workers=servers, cores=servers, queue_size=count)
            waits = Simulation(service, FIXED, load).run().waits()
            with self.subTest(servers):
                chance = sum(wait > 0 for wait in waits) / len(waits)
                self.assertAlmostEqual(chance / chance_to_wait(servers, offered), 1, delta=0.03)
                expected = chance_to_wait(servers, offered) * mean / (servers - offered)
                self.assertAlmostEqual(sum(waits) / len(waits) / expected, 1, delta=0.08)
                tail = wait_of(servers, offered, mean, 0.95)
                self.assertAlmostEqual(quantile(waits, 0.95) / tail, 1, delta=0.08)

    def test_programs_that_compute_share_the_processors(self):
        arrivals = [(0.0, 1.0, 0.0)] * 4
        shared = Simulation(Service(workers=4, cores=2), FIXED, scenarios.steady(), arrivals=arrivals).run()
        self.assertEqual([round(took, 6) for took in shared.times()], [2.0] * 4)
        asleep = [(0.0, 0.0, 1.0)] * 4
        apart = Simulation(Service(workers=4, cores=2), FIXED, scenarios.steady(), arrivals=asleep).run()
        self.assertEqual([round(took, 6) for took in apart.times()], [1.0] * 4)

    def test_the_same_seed_gives_the_same_and_another_does_not(self):
        def waits(seed):
            return scenarios.run(scenarios.steady(minutes=1), seed=seed).times()

        self.assertEqual(waits(1), waits(1))
        self.assertNotEqual(waits(1), waits(2))

    def test_a_full_queue_refuses_and_callers_come_again(self):
        service = Service(workers=1, cores=1, queue_size=1)
        arrivals = [(0.0, 1.0, 0.0)] * 3
        seen = Simulation(service, FIXED, scenarios.steady(), arrivals=arrivals).run()
        self.assertGreater(seen.refusals, 0)
        self.assertEqual((seen.lost, len(seen.times())), (0, 3))
        never = Load(lambda _: 0, 1, 60, scenarios.draw, tries=1)
        self.assertEqual(Simulation(service, FIXED, never, arrivals=arrivals).run().lost, 1)

    def test_no_program_is_lost_by_a_pod_that_fails_while_another_is_there(self):
        seen = scenarios.run(scenarios.steady(minutes=2), failures=[30])
        unfinished = len(seen.jobs) - len(seen.times())
        self.assertEqual(seen.lost, 0)
        self.assertLess(unfinished, 10)
        self.assertEqual(min(sample.ready for sample in seen.samples), 1)
        self.assertEqual(seen.samples[-1].ready, 2)

    def test_more_load_has_pods_added_and_its_end_has_them_ended_late(self):
        load = Load(lambda at: 160 if at < 120 else 4, 160, 900, scenarios.draw)
        pods = [(sample.at, sample.alive) for sample in scenarios.run(load).samples]
        self.assertGreater(max(count for _, count in pods), 4)
        peak = max(count for _, count in pods)
        reached = next(at for at, count in pods if count == peak)
        begun = next(at for at, count in pods if at > reached and count < peak)
        self.assertGreaterEqual(begun - reached, scenarios.SCALER.down_window)
        self.assertEqual(scenarios.run(load, scaler=scenarios.scaled(down_window=0)).samples[-1].alive, 2)


class Page(unittest.TestCase):
    def setUp(self):
        self.page = report.PAGE.read_text()

    def test_its_tables_are_those_of_the_figures_and_of_the_simulation(self):
        blocks = report.blocks()
        # The others take too long for a test: scripts/capacity docs writes all.
        for name in ("machine", "costs", "memory", "plans", "balancer", "failure"):
            with self.subTest(name):
                self.assertEqual(report.block_of(self.page, name), "\n".join(blocks[name]()))
        for name in blocks:
            self.assertIn(f"<!-- {name} -->", self.page)

    def test_its_plots_are_there_and_are_images(self):
        for name in scenarios.PLOTS:
            with self.subTest(name):
                self.assertIn(f"(capacity/{name}.svg)", self.page)
                image = xml.etree.ElementTree.parse(report.PLOTS / f"{name}.svg").getroot()
                self.assertEqual(image.tag, "{http://www.w3.org/2000/svg}svg")
                self.assertGreater(len(image.findall(".//{*}polyline[@class='line']")), 3)

    def test_a_plot_has_each_line_in_the_colour_of_its_name(self):
        line = [(0, 0), (1, 2)]
        panels = [plot.Panel("one", {"a": line, "b": line}), plot.Panel("two", {"b": line})]
        image = plot.figure("A & B", "x", panels)
        self.assertIn("A &amp; B", image)
        self.assertEqual(image.count(plot.COLOURS[0]), 2)
        self.assertEqual(image.count(plot.COLOURS[1]), 4)

    def test_all_kinds_were_measured(self):
        self.assertEqual(json.loads(measure.FIGURES.read_text())["kinds"].keys(), KINDS.keys())


class Commands(unittest.TestCase):
    def test_a_plan_says_what_limits_and_what_it_costs(self):
        said = printed("plan", "--rate", "1000", "--mix", "python=0.7,cell=0.3", "--price-per-hour", "0.5")
        self.assertIn("a second, by processors\n", said)
        self.assertIn("1,000 a second: ", said)
        self.assertIn("With P = 0.5: ", said)

    def test_a_wrong_argument_is_named(self):
        for arguments, said in (
            (["plan", "--mix", "cobol=1"], "cobol is no kind; there are python, "),
            (["plan", "--rate", "0"], "0 must be more than 0"),
        ):
            with (
                self.subTest(arguments),
                unittest.mock.patch("sys.stderr", io.StringIO()) as stderr,
                self.assertRaises(SystemExit),
            ):
                commands.parser().parse_args(arguments)
            self.assertIn(said, stderr.getvalue())


@unittest.skipUnless(server.PROGRAM.exists(), "target/release/faas-server is not built")
class ARealServer(unittest.TestCase):
    def test_what_an_execution_costs_is_measured(self):
        with server.Server(FAAS_LANGUAGE="javascript") as real:
            kind = KINDS["javascript"]
            found = measure.cost(real, kind, kind.requests(real))
            self.assertGreater(found["cpu"], found["supervisor"] + found["forking"])
            self.assertGreater(found["forking"], 0)
            self.assertGreater(found["caller"], 0)
            memory = real.memory()
            self.assertGreater(memory.processes, 2)
            self.assertGreater(memory.all(), memory.private_dirty)

    def test_cpu_time_of_processes_that_ended_is_counted(self):
        before = machine.cpu_of(os.getpid())
        subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
        used = machine.cpu_of(os.getpid()).since(before)
        self.assertGreater(used, 0.02)


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    failed = len(outcome.failures) + len(outcome.errors)
    skipped = len(outcome.skipped)
    print(f"{outcome.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)
