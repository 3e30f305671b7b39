# Climbs out of the virtual root with "..", doubled slashes, NUL bytes and addresses instead of paths.
# Known from: path traversal classics (CWE-22).
# expect: success
import os

path = "{{WITNESS}}"
names = [
    "../" * 40 + path,
    "/.." * 40 + path,
    "//" + path,
    "/./" + path,
    "file://" + path,
    "file:" + path,
    path + "\0.txt",
    "\\\\?\\" + path,
    "/dev/fd/../../" + path,
    "%2e%2e/" * 20 + path,
    "..\u2215" * 20 + path,
    os.fsdecode(b"/..%c0%af" * 10) + path,
    "/home/pyodide/../.." + path,
    "/lib/python314.zip/../.." + path,
]
for name in names:
    try:
        print(open(name).read())
    except (OSError, ValueError) as error:
        print(type(error).__name__)
