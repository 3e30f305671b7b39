# Overwrites, truncates, renames and deletes a file of the host.
# Known from: CPython jail escapes.
# expect: success
import os

path = "{{WITNESS}}"
for destroy in (
    lambda: open(path, "r+").write("gone"),
    lambda: os.truncate(path, 0),
    lambda: os.chmod(path, 0o777),
    lambda: os.rename(path, path + ".gone"),
    lambda: os.remove(path),
    lambda: os.unlink(path),
    lambda: os.utime(path, (0, 0)),
    lambda: os.rmdir(os.path.dirname(path)),
):
    try:
        destroy()
        print("ESCAPED: it changed the file")
    except OSError as error:
        print(error.errno)
