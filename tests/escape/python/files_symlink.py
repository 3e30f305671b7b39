# Makes symbolic and hard links to a file of the host and reads through them.
# Known from: archive and sandbox escapes by links (CVE-2021-21300, CVE-2018-1002200).
# expect: success
import os

os.chdir("/tmp")
for number, target in enumerate(
    ["{{WITNESS}}", "/../../../..{{WITNESS}}", "/proc/self/root{{WITNESS}}", "/", "/proc/1/root", "/dev/fd"]
):
    name = f"link{number}"
    for make in (os.symlink, getattr(os, "link", os.symlink)):
        try:
            make(target, name)
        except OSError as error:
            print(type(error).__name__)
    for path in (name, name + "{{WITNESS}}", name + "/../.." + "{{WITNESS}}"):
        try:
            print(open(path).read())
        except OSError as error:
            print(error.errno)
