# Creates a file on the host by every way Python and Emscripten have.
# Known from: CPython jail escapes.
# expect: success
import os, pathlib, shutil, sqlite3, tempfile
import pyodide_js

mark = "{{MARK}}"
filesystem = pyodide_js.FS


def attempt(write):
    try:
        write()
    except BaseException as error:
        print(type(error).__name__)


attempt(lambda: os.makedirs(os.path.dirname(mark), exist_ok=True))
attempt(lambda: open(mark, "w").write("x"))
attempt(lambda: os.close(os.open(mark, os.O_CREAT | os.O_RDWR, 0o777)))
attempt(lambda: pathlib.Path(mark).touch())
attempt(lambda: os.mknod(mark))
attempt(lambda: os.mkfifo(mark + ".fifo"))
attempt(lambda: shutil.copy("/etc/passwd", mark))
attempt(lambda: sqlite3.connect(mark).execute("create table t(x)"))
attempt(lambda: filesystem.writeFile(mark, "x"))
attempt(lambda: filesystem.writeFile("/../../.." + mark, "x"))
attempt(lambda: tempfile.NamedTemporaryFile(dir=os.path.dirname(mark), delete=False))
attempt(lambda: filesystem.syncfs(False, lambda error: None))
print("written inside:", os.path.exists(mark))
