#!/usr/bin/env python3
"""Installs what scripts/dist made in bare Debian systems, starts it there and sends it programs.

A system is a directory that Debian's packages were unpacked into (scripts/test-dist), entered with chroot in
namespaces of its own. systemd does not run in it: what the unit says is done by hand as far as it can be, and
systemd-analyze looks at the unit. That of Debian 13 has systemd's tools, by which it is seen what is enabled.

There is no earlier release to upgrade from. The same program stands in for it: as a package of a lower
version, a tarball unpacked over itself, a wheel installed again.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIST = ROOT / "target/dist"
SYSTEMS = ROOT / "target/test-dist"
DISTRIBUTION = ROOT / "target/test-distribution"
UNIT = ROOT / "packaging/faas-server.service"
STATE = "var/lib/faas-server"
MAKING = "making it in the background"

PYTHON = "print(6 * 7)"
NUMPY = "import numpy; print(int(numpy.arange(4).sum()))"

# Enters a system: $1 is its directory, $2 what can be written (`all`, or directories in it), then a command.
ENTER = r"""
set -e
root=$1 writable=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$DIST" "$root/dist"
mount --bind "$DISTRIBUTION" "$root/packages"
if [ "$writable" != all ]; then
  for directory in $writable; do mount --bind "$root/$directory" "$root/$directory"; done
  mount -o remount,bind,ro "$root"
  mount -t tmpfs tmpfs "$root/tmp"
fi
exec chroot "$root" "$@"
"""


def the_file(pattern):
    [file] = DIST.glob(pattern)
    return file


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def unit_environment(system):
    """What systemd would start the service with: the unit's settings, then those of its file."""
    lines = re.findall(r"^Environment=(\S+)$", UNIT.read_text(), re.MULTILINE)
    lines += re.findall(r"^(\w+=.*)$", (system.root / "etc/default/faas-server").read_text(), re.MULTILINE)
    return dict(line.split("=", 1) for line in lines)


class System:
    """A bare system of its own."""

    def __init__(self, suite, name):
        self.root = SYSTEMS / f"{suite}-{name}"
        remove(self.root)
        self.root.mkdir(mode=0o755)
        exclude = "--exclude=./dev/*"
        subprocess.run(["tar", "-xf", SYSTEMS / f"{suite}.tar", "-C", self.root, exclude], check=True)
        for directory in ("dist", "packages"):
            (self.root / directory).mkdir()
        # Rust and Node would hide what is missing.
        for tool in ("cargo", "rustc", "node", "npm"):
            assert not (self.root / "usr/bin" / tool).exists()

    def command(self, *command, user=None, writable="all", environment=None):
        """A command in this system, with the privileges that the unit leaves a service if it has a user."""
        settings = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            **(environment or {}),
        }
        settings = [f"{name}={value}" for name, value in settings.items()]
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs"]
        drop += ["--bounding-set=-all", "--inh-caps=-all"]
        enter = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            ENTER,
            "enter",
            self.root,
        ]
        return [*enter, writable, "env", "-i", *settings, *(drop if user else []), *command]

    def run(self, *command, check=True, **options):
        done = subprocess.run(
            self.command(*command, **options),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "DIST": str(DIST), "DISTRIBUTION": str(DISTRIBUTION)},
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} says:\n{done.stdout}{done.stderr}")
        return done

    def files(self):
        """Every file, besides those that a package manager keeps for itself, and what /etc says of users."""
        kept = re.compile(r"(dev|proc|dist|packages|tmp|var/lib/dpkg|var/log|var/cache)(/|$)|etc/.*-$")
        paths = (path.relative_to(self.root) for path in self.root.rglob("*"))
        users = ("passwd", "group", "shadow", "gshadow")
        return {str(path) for path in paths if not kept.match(str(path))}, [
            sorted((self.root / "etc" / name).read_text().splitlines()) for name in users
        ]


def remove(directory):
    # What is mounted there would be removed, too.
    assert str(directory) not in pathlib.Path("/proc/self/mountinfo").read_text()
    shutil.rmtree(directory, ignore_errors=True)


class Service:
    """A server that runs in a system."""

    def __init__(self, system, program, environment=None, **options):
        self.port = free_port()
        # Debian's limit of open files, and what the unit sets.
        settings = {"FAAS_PORT": self.port, "FAAS_PYODIDE_PACKAGES": "/packages", "FAAS_PACKAGE_INDEX": "off"}
        command = system.command(program, environment={**settings, **(environment or {})}, **options)
        self.log_file = SYSTEMS / f"{system.root.name}.log"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "DIST": str(DIST), "DISTRIBUTION": str(DISTRIBUTION)},
            )
        self.child = None

    def log(self):
        return self.log_file.read_text()

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=90) as response:
            return json.load(response)

    def prints(self, code, language="python"):
        """What a program prints, as soon as the service runs it."""
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = self.call("/run_code", {"language": language, "code": code, "timeout": 30_000})
                return answer["output"]["stdout"] + answer["output"]["stderr"]
            except (urllib.error.URLError, ConnectionError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"{error}:\n{self.log()}") from error
                time.sleep(0.02)

    def signal(self, number):
        """To the server itself, the only child of `unshare`."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        [child] = children.read_text().split()
        os.kill(int(child), number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ValueError, OSError):
            self.signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class InstalledOnDebian:
    """The tests of a release of Debian; a class of each below names it."""

    suite: str

    def system(self):
        system = System(self.suite, self.id().rpartition(".")[2])
        self.addCleanup(remove, system.root)
        return system

    def installs(self, way, system, install, program, **options):
        """Installs, starts, has programs of all kinds run, and says how long the first answer took."""
        began = time.monotonic()
        install()
        installed = time.monotonic()
        with Service(system, program, **options) as service:
            self.assertEqual(service.prints(PYTHON), "42\n", service.log())
            answered = time.monotonic()
            print(
                f"{self.suite}, {way}: installed in {installed - began:.1f} s, "
                f"first answer {answered - installed:.1f} s later",
                flush=True,
            )
            self.assertEqual(service.prints("console.log(6 * 7)", "javascript"), "42\n")
            self.assertEqual(service.prints(NUMPY), "6\n")
            # Packages come without machine code: the first start makes it, and says so in one line.
            log = service.log()
            self.assertEqual(log.count(MAKING), 1, log)
            self.assertNotIn("ERROR", log)
            return log

    def unpack_tarball(self, system, directory):
        """As a user does: the two directories of the archive, which belong to the user who unpacks it."""
        target = system.root / directory
        target.mkdir(parents=True, exist_ok=True)
        tar = ["tar", "-xf", the_file("*.tar.xz"), "-C", target, "--strip-components=1", "--no-same-owner"]
        subprocess.run(tar, check=True)

    def with_user(self, system):
        system.run("useradd", "--create-home", "somebody")
        return "home/somebody"

    def test_the_tarball_as_root(self):
        system = self.system()
        install = lambda: self.unpack_tarball(system, "usr/local")  # noqa: E731
        log = self.installs("tarball, root", system, install, "faas-server")
        self.assertIn("the server runs as root", log)
        manual = system.root / "usr/local/share/man/man1/faas-server.1"
        self.assertIn("FAAS_MEMORY_LIMIT", manual.read_text())

    def test_the_tarball_as_an_ordinary_user(self):
        system = self.system()
        home = self.with_user(system)
        before = system.files()

        def install():
            self.unpack_tarball(system, f"{home}/.local")

        program = f"/{home}/.local/bin/faas-server"
        options = {"user": "somebody", "environment": {"FAAS_WORKSPACE": f"/{home}/workspace"}}
        self.installs("tarball, user", system, install, program, **options)
        install()
        self.has_history(system, program, **options)

        # As docs/install.md says: what the archive lists, and the workspace.
        listing = subprocess.run(
            ["tar", "-tf", the_file("*.tar.xz")], check=True, capture_output=True, text=True
        )
        names = [name.partition("/")[2] for name in listing.stdout.splitlines()]
        for name in sorted(filter(None, names), reverse=True):
            path = system.root / home / ".local" / name
            path.rmdir() if name.endswith("/") else path.unlink()
        (system.root / home / ".local").rmdir()
        shutil.rmtree(system.root / home / "workspace")
        self.assertEqual(system.files(), before)

    def has_history(self, system, program, **options):
        """What ran before an upgrade is still in the history, and programs run."""
        with Service(system, program, **options) as service:
            self.assertEqual(service.prints(PYTHON), "42\n")
            codes = len(service.call("/executions")["executions"])
            self.assertGreater(codes, 3, "an upgrade keeps the history")

    def test_the_tarball_with_a_read_only_root(self):
        system = self.system()
        home = self.with_user(system)
        self.unpack_tarball(system, "usr/local")
        options = {"user": "somebody", "writable": home}
        options["environment"] = {"FAAS_WORKSPACE": f"/{home}/workspace"}
        self.installs("tarball, read-only root", system, lambda: None, "faas-server", **options)
        with Service(system, "faas-server", **options) as service:
            self.assertEqual(service.prints(PYTHON), "42\n")

    def test_the_wheel_as_an_ordinary_user(self):
        system = self.system()
        home = self.with_user(system)
        venv = f"/{home}/venv"

        def install():
            system.run("python3", "-m", "venv", venv, user="somebody")
            pip = [f"{venv}/bin/pip", "install", "--quiet", "--no-index", "--find-links=/dist", "faas-server"]
            system.run(*pip, user="somebody")

        program = f"{venv}/bin/faas-server"
        options = {"user": "somebody", "environment": {"FAAS_WORKSPACE": f"/{home}/workspace"}}
        self.installs("wheel", system, install, program, **options)
        pip = [f"{venv}/bin/pip", "install", "--quiet", "--no-index", "--force-reinstall"]
        system.run(*pip, f"/dist/{the_file('*.whl').name}", user="somebody")
        self.has_history(system, program, **options)
        system.run(f"{venv}/bin/pip", "uninstall", "--quiet", "--yes", "faas-server", user="somebody")
        # pip leaves empty directories.
        files = (path for path in (system.root / home / "venv").rglob("*") if not path.is_dir())
        left = [path for path in files if "faas" in str(path.relative_to(system.root)).lower()]
        self.assertEqual(left, [])

    def test_the_debian_package(self):
        system = self.system()
        before = system.files()
        package = f"/dist/{the_file('*.deb').name}"
        self.earlier_package()

        system.run("dpkg", "--install", "/dist/earlier/faas-server.deb")
        # What systemd does before it starts the service: StateDirectory and its mode.
        state = system.root / STATE
        state.mkdir(mode=0o700)
        shutil.chown(state, *self.owner(system))
        options = {"user": "faas-server", "writable": STATE}
        options["environment"] = unit_environment(system)
        self.installs("Debian package", system, lambda: None, "faas-server", **options)
        doctor = system.run("faas-server", "doctor", **options)
        self.assertRegex(doctor.stdout, r"\nok +Python +a program ran")
        self.assertIn(" 0 failures", doctor.stdout)

        # One round of what the first start does in the background: as much as the next start needs.
        compile_to = ["faas-server", "compile", "--rounds", "1", "--to", f"/{STATE}/compiled"]
        system.run(*compile_to, **options)
        with (system.root / "etc/default/faas-server").open("a") as settings:
            settings.write("FAAS_HISTORY_MAX=77\n")
        # The distribution is a directory here, from which nothing is copied into the cache of packages.
        cached = system.root / STATE / "packages/sha256/ab"
        cached.mkdir(parents=True, exist_ok=True)
        (cached / "cd").write_text("a package")
        kept = self.state(system)
        for name in ("history.sqlite3", "packages/sha256/ab/cd"):
            self.assertIn(f"{STATE}/{name}", kept)
        self.assertTrue(any(name.endswith(".code") for name in kept), kept)
        began = time.monotonic()
        system.run("dpkg", "--install", package)
        # The earlier one is not packed; this is what users wait for.
        print(f"{self.suite}, Debian package: upgraded in {time.monotonic() - began:.1f} s", flush=True)
        self.assertEqual(self.state(system), kept, "an upgrade keeps history and caches")
        options["environment"] = unit_environment(system)
        self.assertEqual(options["environment"]["FAAS_HISTORY_MAX"], "77", "an upgrade keeps the settings")
        with Service(system, "faas-server", **options) as service:
            self.assertEqual(service.prints(NUMPY), "6\n")
            history = service.call("/executions")["executions"]
            self.assertGreater(len(history), 3, "an upgrade keeps the history")
            service.signal(signal.SIGHUP)
            self.assertEqual(service.prints(PYTHON), "42\n", "systemctl reload does not end it")
            self.assertNotIn(MAKING, service.log(), "an upgrade keeps the machine code")

        self.stays_enabled_or_not(system, package)
        system.run("dpkg", "--purge", "faas-server")
        self.assertEqual(system.files(), before)

    def state(self, system):
        """Every file that the service keeps, with its size."""
        files = (path for path in (system.root / STATE).rglob("*") if path.is_file())
        return {str(path.relative_to(system.root)): path.stat().st_size for path in files}

    def stays_enabled_or_not(self, system, package):
        """A new installation starts with the machine; later ones leave that to the administrator."""
        if not (system.root / "usr/bin/systemctl").exists():
            return

        def is_enabled():
            return system.run("systemctl", "is-enabled", "faas-server", check=False).stdout.strip()

        self.assertEqual(is_enabled(), "enabled")
        system.run("dpkg", "--remove", "faas-server")
        self.assertFalse(
            (system.root / "etc/systemd/system/multi-user.target.wants/faas-server.service").is_symlink()
        )
        system.run("dpkg", "--install", package)
        self.assertEqual(is_enabled(), "enabled", "removed and installed again")
        system.run("systemctl", "disable", "faas-server")
        system.run("dpkg", "--install", package)
        self.assertEqual(is_enabled(), "disabled", "an upgrade leaves it")
        system.run("dpkg", "--remove", "faas-server")
        system.run("dpkg", "--install", package)
        self.assertEqual(is_enabled(), "disabled", "removed while disabled, and installed again")

    def owner(self, system):
        line = re.search(
            r"^faas-server:x:(\d+):(\d+):", (system.root / "etc/passwd").read_text(), re.MULTILINE
        )
        return int(line[1]), int(line[2])

    def earlier_package(self):
        """The package with an earlier version, in the place of the last release."""
        work = DIST / "earlier"
        if work.exists():
            return
        work.mkdir()
        subprocess.run(["dpkg-deb", "--raw-extract", the_file("*.deb"), work / "root"], check=True)
        control = work / "root/DEBIAN/control"
        control.write_text(re.sub(r"^Version: .*", r"\g<0>~earlier", control.read_text(), flags=re.MULTILINE))
        build = [
            "dpkg-deb",
            "--root-owner-group",
            "-Znone",
            "--build",
            work / "root",
            work / "faas-server.deb",
        ]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(work / "root")


class Bookworm(InstalledOnDebian, unittest.TestCase):
    suite = "bookworm"


class Trixie(InstalledOnDebian, unittest.TestCase):
    suite = "trixie"


class OlderThanWhatWorks(unittest.TestCase):
    """Debian 11 has glibc 2.31. Each way says what is missing, and installs nothing."""

    def setUp(self):
        self.system = System("bullseye", "older")
        self.addCleanup(remove, self.system.root)

    def refused(self, *command):
        done = self.system.run(*command, check=False)
        said = done.stdout + done.stderr
        self.assertNotEqual(done.returncode, 0, said)
        return said

    def test_the_program_names_the_glibc_that_it_needs(self):
        target = self.system.root / "usr/local/bin/faas-server"
        shutil.copy(DIST / "tree/bin/faas-server", target)
        self.assertRegex(self.refused("faas-server", "--version"), r"version `GLIBC_2\.\d+' not found")

    def test_the_debian_package_is_refused(self):
        said = self.refused("dpkg", "--install", f"/dist/{the_file('*.deb').name}")
        self.assertRegex(said, r"depends on libc6 \(>= 2\.\d+\)")

    def test_the_wheel_is_refused(self):
        self.system.run("python3", "-m", "venv", "/venv")
        said = self.refused("/venv/bin/pip", "install", "--no-index", f"/dist/{the_file('*.whl').name}")
        self.assertIn("is not a supported wheel on this platform", said)


class Release(unittest.TestCase):
    """What can be seen without installing."""

    def test_every_archive_has_less_than_60_mb(self):
        for pattern in ("*.tar.xz", "*.deb", "*.whl"):
            self.assertLess(the_file(pattern).stat().st_size, 60_000_000, pattern)

    def test_every_archive_has_the_same_program(self):
        program = (DIST / "tree/bin/faas-server").read_bytes()
        for command in (
            ["tar", "-xOf", the_file("*.tar.xz"), "--wildcards", "*/bin/faas-server"],
            ["sh", "-c", f"dpkg-deb --fsys-tarfile {the_file('*.deb')} | tar -xO ./usr/bin/faas-server"],
            ["unzip", "-p", the_file("*.whl"), "*/scripts/faas-server"],
        ):
            run = subprocess.run(command, check=True, capture_output=True)
            self.assertTrue(run.stdout == program, command)

    def test_its_dockerfile_finds_what_it_copies(self):
        text = (DIST / "tree/share/doc/faas-server/Dockerfile").read_text()
        self.assertEqual(text.count("\nFROM "), 1, text)
        copied = [path for line in re.findall(r"(?m)^COPY (.+) \S+$", text) for path in line.split()]
        self.assertIn("bin/faas-server", copied)
        for path in copied:
            self.assertTrue((DIST / "tree" / path).exists(), path)

    def test_files_in_the_wheel_are_as_old_as_the_commit(self):
        with zipfile.ZipFile(the_file("*.whl")) as wheel:
            times = {entry.date_time for entry in wheel.infolist()}
        self.assertEqual(len(times), 1, times)

    def test_settings_in_the_package_can_be_read_by_root_only(self):
        command = ["dpkg-deb", "--contents", the_file("*.deb")]
        listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        [line] = [line for line in listing.splitlines() if line.endswith("./etc/default/faas-server")]
        self.assertTrue(line.startswith("-rw------- root/root"), line)

    def test_no_machine_code_and_no_source_of_this_machine_is_in_it(self):
        names = [path.name for path in (DIST / "tree").rglob("*")]
        self.assertEqual([name for name in names if name.endswith((".code", ".debug"))], [])
        sources = json.loads((DIST / "tree/share/faas-server/pyodide-dist/sources.json").read_text())
        self.assertLessEqual(set(sources), {"distribution", "index"})
        self.assertFalse(any("@" in address for address in sources.values()))

    def test_every_setting_is_in_the_file_of_settings_as_a_comment(self):
        text = (DIST / "tree/share/doc/faas-server/faas-server.default").read_text()
        documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
        settings = [name for name in documented if name.startswith("FAAS_") or name.endswith("_VERSION")]
        self.assertEqual(re.findall(r"^#(\w+)=", text, re.MULTILINE), settings)
        self.assertTrue(all(line.startswith("#") for line in text.splitlines() if line))

    def test_the_bill_of_materials_is_valid_and_names_the_crates(self):
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

        text = the_file("*.cdx.json").read_text()
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text))
        names = {part["name"] for part in json.loads(text)["components"]}
        self.assertLessEqual({"deno_core", "v8", "V8", "Pyodide", "micropip", "@codemirror/state"}, names)

    def test_the_unit_is_valid_and_hardened(self):
        root = SYSTEMS / "unit"
        remove(root)
        self.addCleanup(remove, root)
        for name in ("usr/bin/faas-server", "bin/sh"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DIST / "tree/bin/faas-server", root / name)
        target = root / "etc/systemd/system/faas-server.service"
        target.parent.mkdir(parents=True)
        shutil.copy(UNIT, target)
        for other in ("sysinit", "basic", "multi-user", "network", "shutdown"):
            (target.parent / f"{other}.target").write_text(f"[Unit]\nDescription={other}\n")
        verify = ["systemd-analyze", "verify", "--man=no", f"--root={root}", "faas-server.service"]
        run = subprocess.run(verify, check=False, capture_output=True, text=True)
        said = [line for line in run.stderr.splitlines() if "faas-server" in line]
        self.assertEqual(said, [], run.stderr)
        security = ["systemd-analyze", "security", "--offline=yes", "--threshold=25", f"--root={root}"]
        run = subprocess.run([*security, "faas-server.service"], check=False, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout)
        print(run.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    shutil.rmtree(DIST / "earlier", ignore_errors=True)
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{outcome.testsRun} tests run, {failed} failures")
    sys.exit(failed > 0)
