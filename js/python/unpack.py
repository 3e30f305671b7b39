"""Unpacks a wheel and compiles its Python sources, in a sandbox of its own that runs none of its code.

What it hands back is for zygotes that install this very wheel (js/python/wheels.mjs reads it): the contents
of all files one after the other, then a list of them in JSON, then the list's length in 4 bytes, the low one
first. It comes in pieces, as files whose names are their numbers.
"""

import importlib._bootstrap_external as bootstrap
import importlib.util
import json
import os
import sys
import zipfile

import pyodide._package_loader as loader
from pyodide.ffi import to_js

import _faas_host

PIECE = 1 << 20
# The test suites of packages are seldom imported.
TESTS = "/tests/"

wheel = input_data
directory = loader.SITE_PACKAGES
pieces = 0
pending = bytearray()
files = []


def add(name, contents):
    """Add a file. Names are relative to where the wheel is installed, or begin with a slash."""
    files.append([name, len(contents)])
    put(contents)


def put(contents):
    pending.extend(contents)
    while len(pending) >= PIECE:
        hand_back(pending[:PIECE])
        del pending[:PIECE]


def hand_back(piece):
    global pieces
    _faas_host.put_file(str(pieces), to_js(memoryview(piece)))
    pieces += 1


def code_of(name, source):
    """Compiled code, which is not checked against the source (PEP 552): neither changes. Or None."""
    try:
        code = compile(source, str(directory / name), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None  # A template, or a test of such errors.
    return bootstrap._code_to_hash_pyc(code, importlib.util.source_hash(source), False)


def is_inside(name):
    return bool(name) and not name.startswith("/") and ".." not in name.split("/") and "\\" not in name


with zipfile.ZipFile(wheel) as archive:
    project = loader.parse_wheel_name(wheel)[0]
    info = loader.wheel_dist_info_dir(archive, project)
    data = loader.wheel_data_file_dir(archive, project)
    for entry in archive.infolist():
        name = entry.filename
        # As shutil.unpack_archive, by which Pyodide unpacks.
        if entry.is_dir() or not is_inside(name):
            continue
        contents = archive.read(entry)
        add(name, contents)
        if data is not None and name.startswith(f"{data}/data/"):
            add(os.path.join(sys.prefix, name.removeprefix(f"{data}/data/")), contents)
        if name.endswith(".py") and TESTS not in f"/{name}" and (code := code_of(name, contents)):
            add(importlib.util.cache_from_source(name), code)
    libraries = [name for name in archive.namelist() if is_inside(name) and loader.should_load_dynlib(name)]

listed = json.dumps({"files": files, "info": info, "libraries": libraries}).encode()
put(listed + len(listed).to_bytes(4, "little"))
if pending:
    hand_back(pending)
