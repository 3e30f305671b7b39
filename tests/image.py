#!/usr/bin/env python3
"""Runs the image that scripts/test-image built as docker/compose.yaml has it run, and sends it programs.

Both profiles are read from the compose file and translated into options of `podman run`, which stands
in for the engine; a key that this file does not know is a failure. So what is tested is what is shipped.

Usage: IMAGE=name DISTRIBUTION=directory tests/image.py
DISTRIBUTION is a directory of Pyodide's packages, as scripts/fetch-test-distribution makes one.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shlex
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGE = os.environ["IMAGE"]
DISTRIBUTION = os.environ["DISTRIBUTION"]
# The runtime that Docker has, too.
PODMAN = ["podman", "--runtime", "runc"]
COMPOSE = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
# The layers of SECURITY.md that /health names.
LAYERS = {"seccomp", "landlock"}


def podman(*arguments, check=True):
    run = subprocess.run([*PODMAN, *arguments], check=False, capture_output=True, text=True)
    if check and run.returncode != 0:
        raise AssertionError(f"podman {shlex.join(arguments)} says:\n{run.stdout}{run.stderr}")
    return run


def image_config():
    [image] = json.loads(podman("image", "inspect", IMAGE).stdout)
    return image


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def seconds(text):
    return float(re.fullmatch(r"(\d+)s", text)[1])


class Service:
    """A service of the compose file, with its variables replaced."""

    def __init__(self, name, variables):
        def replaced(value):
            if isinstance(value, dict):
                return {key: replaced(entry) for key, entry in value.items()}
            if isinstance(value, list):
                return [replaced(entry) for entry in value]
            if isinstance(value, str):
                return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda it: variables.get(it[1], it[2]), value)
            return value

        self.name = name
        self.keys = replaced(COMPOSE["services"][name])
        # A setting without a value is handed on if it is set where compose is started.
        environment = self.keys["environment"]
        self.environment = {
            key: variables[key] if value is None else value
            for key, value in environment.items()
            if value is not None or key in variables
        }
        self.published, self.port = self.keys["ports"][0].split(":")

    def options(self):
        """The options of `podman run` that do what the keys say."""
        options = []
        for key, value in self.keys.items():
            match key:
                case "build" | "container_name" | "image" | "profiles" | "restart":
                    pass  # How the image is made and named, and who starts it.
                case "healthcheck" | "stop_grace_period":
                    pass  # The tests do by hand what an engine does in time.
                case "environment":
                    options += [f"--env={name}={text}" for name, text in self.environment.items()]
                case "ports":
                    options += [f"--publish=127.0.0.1:{port}" for port in value]
                case "read_only":
                    # Podman would add writable folders that Docker does not.
                    options += [f"--read-only={value}".lower(), "--read-only-tmpfs=false"]
                case "cap_drop":
                    options += [f"--cap-drop={name}" for name in value]
                case "security_opt":
                    options += [f"--security-opt={entry}" for entry in value]
                case "tmpfs":
                    options += [f"--tmpfs={self.owned(entry)}" for entry in value]
                case "deploy":
                    limits = value["resources"]["limits"]
                    options += [f"--memory={limits['memory']}", f"--cpus={limits['cpus']}"]
                    options.append(f"--pids-limit={limits['pids']}")
                case _:
                    raise AssertionError(f"tests/image.py does not know the key '{key}'")
        return options

    @staticmethod
    def owned(entry):
        """A tmpfs in podman's words: `U` is "owned by the container's user"."""
        user = image_config()["Config"]["User"]
        uid, gid = user.split(":")
        text = entry.replace(f",uid={uid},gid={gid}", ",U")
        assert text != entry, f"the tmpfs {entry} is not the user's, {user}"
        return text


class Image(unittest.TestCase):
    def setUp(self):
        self.image = image_config()
        self.config = self.image["Config"]

    def test_it_names_an_ordinary_user_and_its_port(self):
        self.assertEqual(self.config["User"], "10001:10001")
        self.assertEqual(list(self.config["ExposedPorts"]), ["8000/tcp"])

    def test_compose_fits_it(self):
        for name in COMPOSE["services"]:
            with self.subTest(name):
                service = Service(name, {})
                self.assertIn(f"{service.port}/tcp", self.config["ExposedPorts"])
                self.assertEqual(service.environment["FAAS_PORT"], service.port)
                checked = service.keys["healthcheck"]["test"]
                self.assertEqual(checked, self.image["Healthcheck"]["Test"])
                # Neither is overridden, so the run below is the image's own.
                self.assertNotIn("entrypoint", service.keys)
                self.assertNotIn("command", service.keys)

    def test_nothing_of_the_build_is_in_it(self):
        listing = podman("run", "--rm", *UNLIMITED, "--entrypoint=/usr/bin/find", IMAGE, "/opt/faas")
        files = {line.removeprefix("/opt/faas/") for line in listing.stdout.split()}
        self.assertLessEqual({"faas-server", "pyodide-dist/pyodide.asm.wasm"}, files)
        odd = [name for name in files if re.search(r"\.(rs|ts|a|part)$|node_modules", name)]
        self.assertEqual(odd, [])
        # A workspace that the build left there would be root's, and refused.
        temporary = podman("run", "--rm", *UNLIMITED, "--entrypoint=/usr/bin/find", IMAGE, "/tmp")
        self.assertEqual(temporary.stdout, "/tmp\n")

    def test_it_has_machine_code_and_licences(self):
        listing = podman("run", "--rm", *UNLIMITED, "--entrypoint=/usr/bin/find", IMAGE, "/opt/faas")
        self.assertRegex(listing.stdout, r"/opt/faas/pyodide-dist/compiled/\S+\.code\n")
        for name in ("LICENSE", "THIRD-PARTY.txt"):
            self.assertIn(f"/opt/faas/{name}\n", listing.stdout)


class Running:
    """The tests of a profile; a class of each service below adds its name."""

    service_name: str
    own_tests: str

    @classmethod
    def setUpClass(cls):
        profile = COMPOSE["services"][cls.service_name]
        variable = re.match(r"\$\{(\w+)", profile["ports"][0])[1]
        cls.service = Service(
            cls.service_name,
            {variable: str(free_port()), "FAAS_PYODIDE_PACKAGES": "/packages"},
        )
        cls.url = f"http://127.0.0.1:{cls.service.published}"
        cls.container = f"faas-image-test-{os.getpid()}-{cls.service_name}"
        cls.addClassCleanup(podman, "rm", "--force", "--time=0", cls.container, check=False)
        began = time.monotonic()
        podman(
            "run",
            "--detach",
            f"--name={cls.container}",
            f"--volume={DISTRIBUTION}:/packages:ro",
            *UNLIMITED,
            *cls.service.options(),
            IMAGE,
        )
        while cls.healthcheck().returncode != 0:
            running = podman("inspect", "--format={{.State.Running}}", cls.container).stdout.strip()
            if running != "true" or time.monotonic() - began > 60:
                raise AssertionError(f"it does not become healthy:\n{cls.logs()}")
            time.sleep(0.2)
        print(f"{cls.service_name}: healthy after {time.monotonic() - began:.1f} s", flush=True)

    @classmethod
    def healthcheck(cls):
        """The compose file's check, as the engine makes it: in the container."""
        kind, *command = cls.service.keys["healthcheck"]["test"]
        assert kind == "CMD"
        return podman("exec", cls.container, *command, check=False)

    @classmethod
    def logs(cls):
        run = podman("logs", cls.container)
        return run.stdout + run.stderr

    @classmethod
    def call(cls, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(cls.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=90) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def prints(self, expected, language, code, **fields):
        status, answer = self.call("/run_code", {"language": language, "code": code, **fields})
        self.assertEqual(status, 200, answer)
        output = answer["output"]
        self.assertEqual((output["stdout"], output["stderr"]), (expected, ""), answer)

    def test_python(self):
        self.prints(f"Hello from Python! {PYTHON_VERSION}\n", "python", PYTHON)

    def test_javascript_and_typescript(self):
        self.prints("42\n", "javascript", "console.log(6 * 7)")
        self.prints("42\n", "typescript", "const n: number = 42; console.log(n)")

    def test_numpy(self):
        # The first call installs it, the second finds it imported.
        for _ in range(2):
            self.prints("6 [2.0, 3.0]\n", "python", NUMPY, packages=["numpy"], timeout=30_000)

    def test_many_at_once(self):
        """As many as there are workers, and some who wait, within the limits of the container."""
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            code = "import time; time.sleep(0.5); print('done')"
            jobs = [pool.submit(self.prints, "done\n", "python", code) for _ in range(24)]
            for job in jobs:
                job.result()

    def test_health_names_every_lock_down_layer(self):
        status, health = self.call("/health")
        self.assertEqual((status, health["status"]), (200, "healthy"), health)
        security = health["security"]
        print(f"{self.service_name}: layers in force: {', '.join(security['layers'])}", flush=True)
        self.assertEqual(security["missing_layers"], [])
        for layer in LAYERS:
            self.assertTrue(any(layer in name.lower() for name in security["layers"]), security)

    def test_the_healthcheck_succeeds(self):
        run = self.healthcheck()
        self.assertEqual((run.returncode, run.stdout + run.stderr), (0, ""))

    def test_every_process_is_without_privilege(self):
        first = int(podman("inspect", "--format={{.State.Pid}}", self.container).stdout)
        processes = with_descendants(first)
        self.assertGreater(len(processes), 3)
        for status in processes.values():
            with self.subTest(status["Name"]):
                self.assertEqual(status["Uid"].split(), ["10001"] * 4)
                self.assertEqual(status["Gid"].split(), ["10001"] * 4)
                self.assertEqual(status["NoNewPrivs"], "1")
                # 2: filtered, by the engine's profile at least.
                self.assertEqual(status["Seccomp"], "2")
                for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    self.assertEqual(int(status[kind], 16), 0, kind)

    def test_only_the_workspace_can_be_written(self):
        touch = ("exec", self.container, "/usr/bin/touch")
        for path in ("/x", "/tmp/x", "/opt/faas/x", "/opt/faas/pyodide-dist/x", "/packages/x"):
            run = podman(*touch, path, check=False)
            self.assertIn("Read-only file system", run.stderr, path)
        podman(*touch, f"{self.service.environment['FAAS_WORKSPACE']}/x")

    def test_the_tests_of_the_service_replaced(self):
        command = [sys.executable, ROOT / "tests" / self.own_tests, self.url]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_zz_it_ends_in_time_and_complained_of_nothing(self):
        """The last, as tests run by name."""
        complaints = [line for line in self.logs().splitlines() if re.search("WARN|ERROR", line)]
        self.assertEqual(complaints, [])
        grace = seconds(self.service.keys["stop_grace_period"])
        began = time.monotonic()
        podman("stop", f"--time={grace:.0f}", self.container)
        self.assertLess(time.monotonic() - began, grace)
        code = podman("inspect", "--format={{.State.ExitCode}}", self.container).stdout.strip()
        self.assertEqual(code, "0", self.logs())


class Faas(Running, unittest.TestCase):
    service_name = "faas"
    own_tests = "test_pyodide_faas.py"


class FaasEnhanced(Running, unittest.TestCase):
    service_name = "faas-enhanced"
    own_tests = "test_enhanced_faas.py"


LOCK_FILE = json.loads((pathlib.Path(DISTRIBUTION) / "pyodide-lock.json").read_text())
PYTHON_VERSION = ".".join(LOCK_FILE["info"]["python"].split(".")[:2])
PYTHON = "import sys; print('Hello from Python!', '.'.join(map(str, sys.version_info[:2])))"
NUMPY = "import numpy; print(int(numpy.arange(4).sum()), (numpy.array([1.0, 2.0]) + 1).tolist())"

# Podman would raise these limits, which takes a capability that root has not everywhere.
UNLIMITED = [
    f"--ulimit=nofile={resource.getrlimit(resource.RLIMIT_NOFILE)[1]}",
    "--ulimit=nproc=4096",
]


def with_descendants(first):
    """{pid: /proc/pid/status as a dict} of a process and all below it."""
    found, pending = {}, [first]
    while pending:
        pid = pending.pop()
        try:
            lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
            tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
            children = [(task / "children").read_text().split() for task in tasks]
        except (FileNotFoundError, ProcessLookupError):
            continue  # A sandbox that has just ended.
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        if not status["State"].startswith(("Z", "X")):
            found[pid] = {key: value.strip() for key, value in status.items()}
        pending += [int(child) for task in children for child in task]
    return found


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{outcome.testsRun} tests run, {failed} failures")
    sys.exit(failed > 0)
