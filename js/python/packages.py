"""Packages in a sandbox without a network: micropip's environment layer, and package sets.

micropip itself is the real one. Only the class through which it reaches the world is ours: it asks
the supervisor, by project and file name.
"""

import ast
import asyncio
import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys

import pyodide_js

import _faas_host
from _faas_network import NO_NETWORK

# Addresses of files in the supervisor's index answers (crates/faas-packages/src/listing.rs). micropip accepts
# a few schemes only; "emfs", for the virtual file system, is the one that means no network.
FILE_URL_PREFIX = "emfs:/faas-packages/"

# What nearly every program imports of a module, if not the module itself.
MOSTLY_IMPORTED = {"matplotlib": "matplotlib.pyplot"}
# So often that V8 optimises what it uses here, once, and not in every fork.
EXERCISE_ROUNDS = 20
# What nearly every program does with a package: done once in its zygote, so that forks find the
# modules imported and the code compiled.
EXERCISES = {
    "matplotlib": """
import io
import _faas_charts
import matplotlib.pyplot as plt
plt.plot([1, 2], [3, 4])
plt.savefig(io.BytesIO(), format="png")
_faas_charts.chart_of(plt.gcf())
plt.close("all")
""",
    "numpy": """
import numpy as np
a = np.arange(12.0).reshape(3, 4)
(a @ a.T).sum(), a.mean(axis=0), np.sort(a[::-1]), str(a), np.random.default_rng().random()
""",
    "pandas": """
import io
import _faas_display
import pandas as pd
frame = pd.read_csv(io.StringIO("a,b\\n1,x\\n2,y\\n2,x"))
str(frame.groupby("b").a.mean()), frame.describe(), frame.to_json(), str(frame)
_faas_display.representations(frame)
""",
    "pydantic": """
from typing import Optional
from pydantic import BaseModel, Field, ValidationError, field_validator
class Part(BaseModel):
    name: str
    size: Optional[float] = None
class Model(BaseModel):
    x: int = Field(ge=0)
    parts: list[Part] = []
    @field_validator("x")
    @classmethod
    def check(cls, value):
        return value
model = Model(x="5", parts=[{"name": "a", "size": 1.5}])
str(model), repr(model), model.model_dump(), Model.model_validate_json(model.model_dump_json())
Model.model_json_schema()
try:
    Model(x=-1)
except ValidationError as error:
    str(error)
""",
}


# Fields of statements that hold further statements, or what holds them.
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
# What every program can import. Some of Python's modules come as packages; micropip is never searched
# for, since that would use its hook up.
BUILT_IN = sys.stdlib_module_names - frozenset(pyodide_js._api._import_name_to_package_name.to_py())
BUILT_IN |= {"js", "micropip", "pyodide", "pyodide_js"}


class SourceError(OSError):
    """The supervisor's reason why a package is not available."""

    __module__ = "micropip"


_reasons = []


def ask(question, *arguments):
    """Ask the supervisor."""
    try:
        return question(*arguments)
    except Exception as error:
        reason = str(error).removeprefix("Error: ")
        _reasons.append(reason)
        raise SourceError(reason) from None


def fetch(kind, name, file=""):
    """Something of a package, as bytes."""
    return ask(_faas_host.package, kind, name, file).to_bytes()


def project_of(url):
    """The project in the address of an index page: its last part."""
    return url.rstrip("/").rsplit("/", 1)[-1]


class LockedPackages(dict):
    """The distribution's packages, behind the local wheels."""

    def get(self, name, default=None):
        if name in self and ask(_faas_host.in_wheelhouse, name):
            return default
        return super().get(name, default)


def make_layer(base):
    """The class that micropip takes as its environment."""
    from pyodide.ffi import to_js as pyodide_to_js

    class SandboxLayer(base):
        loadedPackages = pyodide_js.loadedPackages
        loadPackage = pyodide_js.loadPackage
        install = pyodide_js._api.install
        to_js = pyodide_to_js
        lockfile_info = pyodide_js._api.lockfile_info.to_py()
        lockfile_packages = LockedPackages(pyodide_js._api.lockfile_packages.to_py())
        lockfile_base_url = None

        @staticmethod
        async def fetch_bytes(url, kwargs):
            if url.startswith(FILE_URL_PREFIX):
                project, file = url.removeprefix(FILE_URL_PREFIX).split("/", 1)
                return fetch("file", project, file)
            if url.startswith("emfs:"):
                with open(url.removeprefix("emfs:"), "rb") as file:
                    return file.read()
            raise SourceError(f"{NO_NETWORK}; ask for packages by name, not by {url}")

        @staticmethod
        async def fetch_string_and_headers(url, kwargs):
            text = fetch("project", project_of(url)).decode()
            return text, {"content-type": "application/vnd.pypi.simple.v1+json"}

    return SandboxLayer


class LayerFinder:
    """Stands in for the one module of micropip that reaches the network."""

    NAME = "micropip._compat._compat_in_pyodide"

    def find_spec(self, name, path=None, target=None):
        if name == self.NAME:
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        from micropip._compat.compatibility_layer import CompatibilityLayer

        module.CompatibilityInPyodide = make_layer(CompatibilityLayer)


def with_reasons(install):
    """micropip.install that tells why a package could not be had: micropip drops the reason."""

    async def install_with_reasons(*args, **kwargs):
        _reasons.clear()
        _faas_host.take_failures()
        try:
            installed = await install(*args, **kwargs)
            if reason := _faas_host.take_failures():
                raise SourceError(reason)
            return installed
        except Exception as error:
            for reason in dict.fromkeys(_reasons):
                if reason not in str(error):
                    error.add_note(reason)
            raise

    return install_with_reasons


class MicropipHook:
    """Wraps micropip.install right after the package was imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "micropip":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                module.install = with_reasons(module.install)

            spec.loader.exec_module = exec_module
        return spec


def install(requirements):
    """Install requirements now, from code that is not asynchronous."""
    import micropip

    asyncio.run(micropip.install(list(requirements)))


def install_and_import(requirements):
    """Install requirements and import what programs import of them; the rest is for `warm_packages`."""
    global _warming
    install(requirements)
    wanted = {normalize(re.split(r"[^A-Za-z0-9._-]", text)[0]) for text in requirements}
    modules = {}
    for name, distributions in importlib.metadata.packages_distributions().items():
        for project in wanted.intersection(map(normalize, distributions)):
            if not name.startswith("_"):
                modules.setdefault(project, []).append(name)
    first, rest = [], []
    for project, names in modules.items():
        # Those that are called as their project are what programs import of it.
        named = [name for name in names if normalize(name) == project] or names
        first += named
        rest += [name for name in names if name not in named]
    for name in first:
        attempt(importlib.import_module, MOSTLY_IMPORTED.get(name, name))
    _warming = parts_of_warming(first + rest)


def parts_of_warming(names):
    """Import modules, load what they load on first use, and use them: a generator, to be done in parts."""
    for name in names:
        if (module := attempt(importlib.import_module, name)) is None:
            continue
        yield
        for attribute in attempt(list, getattr(module, "__all__", ())) or ():
            attempt(getattr, module, attribute, None)
            yield
        if exercise := EXERCISES.get(name):
            code = compile(exercise, "<sandbox>", "exec", dont_inherit=True)
            for _ in range(EXERCISE_ROUNDS):
                attempt(exec, code, {"__name__": "exercise"})
                yield


_warming = iter(())


def warm_packages():
    """Do a part of what makes the packages quick to use. Returns whether there is more."""
    try:
        next(_warming)
    except BaseException:
        # The end, or something that went too wrong to go on: programs can be run all the same.
        return False
    return True


def attempt(work, *arguments):
    """Do something with a package; if it fails, the program that needs it will see why."""
    try:
        return work(*arguments)
    except MemoryError:
        raise
    except Exception:
        return None


def normalize(name):
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def ask_for_imports(tree):
    """Have the program run where its imports are, if a source has packages for them.

    Returns if it is to run here.
    """
    if missing := missing_imports(tree):
        try:
            ask(_faas_host.imports, "\n".join(sorted(missing)))
        except SourceError:
            pass  # Importing them says what is missing.


def install_imports(tree):
    """Install packages for the program's imports here, where others ran before it, if a source has some."""
    if missing := missing_imports(tree):
        packages = [package for module in sorted(missing) if (package := provider(module))]
        if packages:
            attempt(install, dict.fromkeys(packages))


def missing_imports(tree):
    """What a program imports that is not there.

    What is part of Python needs no search, so that programs which import nothing else pay for the look at
    their statements only.
    """
    missing, seen, pending = [], set(BUILT_IN), imported(tree)
    while names := pending - seen:
        seen |= names
        for name in names:
            if name in sys.modules:
                continue
            if (spec := spec_of(name)) is None:
                missing.append(name)
            else:
                for file in own_files(spec):
                    pending = pending | imported_by(file)
    return missing


def own_files(spec):
    """The files of a module that came with the program; none if it is a package that is installed."""
    home = os.path.join(os.getcwd(), "")
    if spec.submodule_search_locations is None:
        return [spec.origin] if (spec.origin or "").startswith(home) else []
    return [
        os.path.join(directory, name)
        for top in spec.submodule_search_locations
        if top.startswith(home)
        for directory, _, names in os.walk(top)
        for name in names
        if name.endswith(".py")
    ]


def imported_by(file):
    """What a module imports; nothing if it cannot be read as one."""
    try:
        with open(file, "rb") as source:
            return imported(compile(source.read(), file, "exec", ast.PyCF_ONLY_AST, True))
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError):
        return set()


def imported(tree):
    """Top-level modules that a program imports anywhere. Visits statements only, which is quick."""
    found, pending = set(), [tree.body]
    while pending:
        for node in pending.pop():
            kind = type(node)
            if kind is ast.Import:
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif kind is ast.ImportFrom:
                if node.level == 0:
                    found.add(node.module.partition(".")[0])
            else:
                pending += [block for name in BLOCKS if (block := getattr(node, name, None))]
    return found


def is_there(module):
    """Whether a module can be imported, without importing it."""
    return module in sys.modules or spec_of(module) is not None


def spec_of(module):
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def provider(module):
    """The package that provides a module, or None."""
    try:
        return ask(_faas_host.provider, module)
    except SourceError:
        return None


sys.meta_path.insert(0, LayerFinder())
sys.meta_path.insert(0, MicropipHook())
