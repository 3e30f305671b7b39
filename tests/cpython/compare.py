#!/usr/bin/env python3
"""Runs CPython's own tests for the modules that programs use most, in this service and in the same Pyodide in
plain Deno, and compares what becomes of each test. With --write it writes docs/cpython-tests.md.

The tests are Debian's package libpython3.14-testsuite, which apt-get fetches from Debian unstable into
target/cpython-tests and verifies. Deno comes from scripts/setup-bench. Takes half an hour.

    tests/cpython/compare.py [--write] [MODULE ...]     such as test_json; all modules if none is named
"""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / "target/cpython-tests"
RESULTS = TARGET / "results.json"
PAGE = ROOT / "docs/cpython-tests.md"
SERVER = ROOT / "target/release/faas-server"
DENO = ROOT / "target/bench/deno/bin/deno"
PYODIDE = ROOT / "pyodide-dist"
MARK = "@cpython-tests "

# With what is needed from it beside the tests: test.support.
DEBIAN_PACKAGES = ["libpython3.14-testsuite", "libpython3.14-stdlib"]
WHEEL_NAME = "cpython_tests"

MODULES = (HERE / "modules.txt").read_text().split()

# Tests import one another.
IMPORT = re.compile(r"^\s*(?:from|import) test(?:\.| import )(test_\w+)", re.MULTILINE)

# Longest for one process, in seconds: a test that hangs ends with it.
PATIENCE = 60
# Most processes for one module, and most that may take too long.
TRIES = 12
HANGS = 2

# Why a test has another outcome here: the first whose pattern is found in its name and in what either side
# says of it. What is ours to mend is not in this list.
REASONS = [
    (
        r"test_current_indent_level|test_groupby_reentrant_eq|test_reversed_dict_after_clear|test_store_evilattr",
        "the pinned CPython reads freed memory here, or in the test before: what follows is by chance",
    ),
    (
        r"here (error: MemoryError|ended: memory_limit|skipped: no enough memory)",
        "it takes more than the memory limit of 256 MiB; there is none there",
    ),
    (
        r"plain (error|failure): .*(event loop|WebLoop)",
        "a program runs within Pyodide's event loop there, inside which no other runs; here others do",
    ),
    (
        r"asyn.* plain ended: ended|asyn.* plain not run|plain ended: .*ended early",
        "the process ends there in tests of asyncio, for the same reason, and the tests after it are not run",
    ),
    (
        r"scrypt.* plain skipped",
        "`hashlib.scrypt` is not there in plain Pyodide; here it is",
    ),
    (
        r"timeout|ended early or took too long",
        "it takes about as long as a test may: which side ends in time is a matter of chance",
    ),
]


def fetch():
    """The wheel with the tests, made of Debian's packages."""
    for wheel in TARGET.glob("*.whl"):
        return wheel
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            sys.exit(f"compare.py: {tool} is missing; the tests come from Debian's packages")
    sources = [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]
    known = "\n".join(source.read_text() for source in sources if source.is_file())
    mirror = re.search(r"https?://\S+/debian/?(?=\s)", known)
    if mirror is None:
        sys.exit("compare.py: no mirror of Debian in /etc/apt")
    print(f"compare.py: fetching {' and '.join(DEBIAN_PACKAGES)}", flush=True)
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        for needed in ("lists/partial", "cache/archives/partial"):
            (scratch / needed).mkdir(parents=True)
        (scratch / "status").touch()
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (scratch / "list").write_text(f"deb [arch=amd64 signed-by={keys}] {mirror[0]} unstable main\n")
        # apt with nothing of this machine but its mirror: what is installed does not change.
        options = {
            "Dir::Etc::sourcelist": scratch / "list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": scratch / "lists",
            "Dir::State::status": scratch / "status",
            "Dir::Cache": scratch / "cache",
            "Acquire::Languages": "none",
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
        subprocess.run([*apt, "update"], check=True, cwd=scratch)
        subprocess.run([*apt, "download", *DEBIAN_PACKAGES], check=True, cwd=scratch)
        versions = []
        for package in scratch.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, scratch / "files"], check=True)
            versions.append(re.search(r"_(3[\d.]+)", package.name)[1])
        [library] = (scratch / "files/usr/lib").glob("python3.*/test")
        return pack(library, min(versions))


def pack(library, version):
    """A wheel of `test`, without the modules that nothing here asks for."""
    # What nearly all import, and what that imports.
    wanted, pending = set(), {"support", *(name.split(".")[0] for name in MODULES)}
    while pending:
        name = pending.pop()
        wanted.add(name)
        for file in (library / f"{name}.py", *(library / name).rglob("*.py")):
            if file.exists():
                pending |= {found[1] for found in IMPORT.finditer(file.read_text())} - wanted
    path = TARGET / f"{WHEEL_NAME}-{version}-py3-none-any.whl"
    part = path.with_suffix(".part")
    info = f"{WHEEL_NAME}-{version}.dist-info"
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in sorted(library.rglob("*")):
            inside = file.relative_to(library)
            top = inside.parts[0].removesuffix(".py")
            if file.is_file() and (not top.startswith("test_") or top in wanted):
                wheel.write(file, pathlib.Path("test") / inside)
        # Pyodide leaves it out, and the tests compare with it.
        wheel.write(library.parent / "_pydecimal.py", "_pydecimal.py")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {WHEEL_NAME}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    part.rename(path)
    return path


class Service:
    """This service, with the tests as a package."""

    name = "here"

    def __init__(self, stack, wheel):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        workspace = stack.enter_context(tempfile.TemporaryDirectory())
        settings = {
            "FAAS_HOST": "127.0.0.1",
            "FAAS_PORT": str(self.port),
            "FAAS_LANGUAGE": "python",
            "FAAS_WHEELHOUSE": str(wheel.parent),
            "FAAS_PYODIDE_PACKAGES": "off",
            "FAAS_PACKAGE_INDEX": "off",
            "FAAS_WORKSPACE": workspace,
            "FAAS_POOL_SIZE": "1",
            "FAAS_MAX_EXECUTION_TIME": str(PATIENCE * 1000),
            "FAAS_MAX_OUTPUT_BYTES": str(1 << 25),
            "FAAS_LOG_FORMAT": "json",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FAAS_")}
        log = stack.enter_context((TARGET / "server.log").open("w"))
        self.server = subprocess.Popen([SERVER], env=environment | settings, stdout=log, stderr=log)
        stack.callback(self.end)
        until = time.monotonic() + 60
        while not self.is_ready():
            if self.server.poll() is not None or time.monotonic() > until:
                sys.exit(f"compare.py: the server did not start; see {TARGET / 'server.log'}")
            time.sleep(0.1)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready"):
                return True
        except urllib.error.URLError:
            return False

    def end(self):
        self.server.terminate()
        self.server.wait()

    def run(self, given):
        """What a process printed, and how it ended if it did not end by itself."""
        request = {
            "code": (HERE / "program.py").read_text(),
            "input": given,
            "packages": [WHEEL_NAME],
            "timeout": PATIENCE * 1000,
        }
        body = json.dumps(request).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/run_code", data=body)
        with urllib.request.urlopen(asked) as response:
            answer = json.load(response)
        output, status = answer["output"], answer["metadata"]["status"]
        last = output["stderr"].rstrip().rpartition("\n")[2]
        return output["stdout"], f"{status}: {last}"


class Plain:
    """The same Pyodide in Deno."""

    name = "plain"

    def __init__(self, wheel):
        self.wheel = wheel

    def run(self, given):
        # Nothing is written or asked for: Pyodide's files are in memory.
        command = [DENO, "run", "--quiet", "--no-prompt", "--allow-read", HERE / "plain.mjs"]
        arguments = [PYODIDE, self.wheel, HERE / "program.py", json.dumps(given)]
        try:
            done = subprocess.run([*command, *arguments], capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as error:
            return (error.stdout or b"").decode(errors="replace"), "timeout"
        said = done.stderr.decode(errors="replace").rstrip().rpartition("\n")[2]
        return done.stdout.decode(errors="replace"), f"ended with {done.returncode}: {said}"


def run_module(side, name):
    """The outcome of each test of a module, and why. A test that ends its process is left out of the next."""
    outcomes, hangs = {}, 0
    for _ in range(TRIES):
        given = {"name": name, "done": list(outcomes)}
        stdout, ended = side.run(given)
        running, complete = None, False
        for line in stdout.splitlines():
            _, marked, text = line.partition(MARK)
            if not marked:
                continue
            said = json.loads(text)
            if "begin" in said:
                running = said["begin"]
            elif "end" in said:
                running = None
                outcomes[said["end"]] = [said["outcome"], said["why"]]
            else:
                complete = True
        if complete:
            return outcomes
        hangs += "timeout" in ended
        if len(outcomes) > len(given["done"]) and "timeout" in ended and hangs < HANGS:
            # Those before it may have taken the time: it gets a process that begins with it.
            continue
        if running is None and len(outcomes) == len(given["done"]):
            # Before the first test: there is none to leave out.
            outcomes["(the module)"] = ["ended", ended]
            return outcomes
        if running is not None:
            outcomes[running] = ["ended", ended]
        if hangs == HANGS:
            break
    outcomes["(the rest of the module)"] = ["ended", "too many processes ended early or took too long"]
    return outcomes


def outcome_in_words(outcome):
    kind, why = outcome
    return f"{kind}: {why}" if why else kind


def differences(found):
    """Tests with another outcome here than in plain Pyodide: name, outcome here, outcome there."""
    here, plain = found["here"], found["plain"]
    absent = ["not run", ""]
    for name in sorted(here.keys() | plain.keys()):
        one, other = here.get(name, absent), plain.get(name, absent)
        # How often a test may be skipped for another reason is of no interest.
        if one[0] != other[0]:
            yield name, one, other


def reason_of(name, here, plain):
    text = f"{name} here {outcome_in_words(here)} plain {outcome_in_words(plain)}"
    for pattern, reason in REASONS:
        if re.search(pattern, text):
            return reason
    return None


def introduction(version):
    return f"""\
The tests of CPython {version} for the modules that programs use most, in this service with its default
settings and in the same Pyodide in plain Deno. `tests/cpython/compare.py --write` runs them and writes this
page. The tests are Debian's package libpython3.14-testsuite. They are newer than the pinned Pyodide's Python,
so some fail on both sides for bugs that were fixed since; others do for what Pyodide lacks: processes,
threads, sockets, locales, users. Tests that ask for the network, or for much memory or time, are skipped. A
test that ends its process, or takes longer than {PATIENCE} s, counts as failed.""".splitlines()


def page(results, version):
    """The page of the docs."""
    rows, totals = [], collections.Counter()
    by_reason, unexplained = collections.defaultdict(list), []
    for name, found in sorted(results.items()):
        cells = []
        for side in ("here", "plain"):
            counts = collections.Counter(outcome for outcome, _ in found[side].values())
            run = sum(counts.values()) - counts["skipped"]
            failed = counts["failure"] + counts["error"] + counts["ended"]
            cells += [run, failed, counts["skipped"]]
            totals.update(
                {f"{side} run": run, f"{side} failed": failed, f"{side} skipped": counts["skipped"]}
            )
        for test, here, plain in differences(found):
            reason = reason_of(test, here, plain)
            if reason is None:
                unexplained.append(
                    f"{test}: {outcome_in_words(here)}, {outcome_in_words(plain)} in plain Pyodide"
                )
            else:
                by_reason[reason].append((test, here, plain))
        rows.append(f"| `{name}` | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    total = " | ".join(
        f"{totals[f'{s} {k}']:,}" for s in ("here", "plain") for k in ("run", "failed", "skipped")
    )
    lines = [
        "# CPython's own tests",
        "",
        *introduction(version),
        "",
        "| | run here | failed | skipped | run in plain Pyodide | failed | skipped |",
        "|---|--:|--:|--:|--:|--:|--:|",
        f"| all {len(rows)} that were run, of {len(MODULES)} | {total} |",
        *rows,
        "",
        "## What differs",
        "Tests with another outcome here than in plain Pyodide, and why.",
        "",
        "| tests | here | in plain Pyodide | why |",
        "|--:|---|---|---|",
    ]
    for reason, tests in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        kinds = []
        for side in (1, 2):
            counts = collections.Counter(test[side][0] for test in tests)
            kinds.append(", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
        lines.append(f"| {len(tests)} | {kinds[0]} | {kinds[1]} | {reason} |")
    return "\n".join(lines) + "\n", unexplained


def main():
    parser = argparse.ArgumentParser(description="Compare CPython's own tests here and in plain Pyodide")
    parser.add_argument("--write", action="store_true", help="write docs/cpython-tests.md")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as test_json [default: all]")
    asked = parser.parse_args()
    if not DENO.exists():
        sys.exit("compare.py: no Deno; run scripts/setup-bench")
    if not SERVER.exists():
        sys.exit("compare.py: no target/release/faas-server; run make build")
    wheel = fetch()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with contextlib.ExitStack() as stack:
        sides = [Service(stack, wheel), Plain(wheel)]
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(len(sides)))
        for name in asked.modules or MODULES:
            started = time.monotonic()
            runs = pool.map(run_module, sides, [name] * len(sides))
            found = {side.name: outcomes for side, outcomes in zip(sides, runs, strict=True)}
            results[name] = found
            RESULTS.write_text(json.dumps(results, indent=1))
            seconds = time.monotonic() - started
            print(
                f"{name}: {len(found['here'])} tests, {len(list(differences(found)))} differ, {seconds:.0f} s"
            )
            sys.stdout.flush()
    text, unexplained = page(
        {name: results[name] for name in MODULES if name in results}, wheel.name.split("-")[1]
    )
    print("\n".join(unexplained))
    if asked.write:
        PAGE.write_text(text)
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
