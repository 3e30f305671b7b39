# Tries to read a file of the host by every way Python has to open one.
# Known from: CPython jail escapes; the first thing anybody tries.
# expect: success
import builtins, codecs, fileinput, io, linecache, os, pathlib, tokenize

path = "{{WITNESS}}"


def attempt(read):
    try:
        print("got", read())
    except BaseException as error:
        print(type(error).__name__)


attempt(lambda: open(path).read())
attempt(lambda: io.open(path, "rb").read())
attempt(lambda: io.FileIO(path).readall())
attempt(lambda: os.read(os.open(path, os.O_RDONLY), 4096))
attempt(lambda: os.read(os.open(path.encode(), 0), 4096))
attempt(lambda: pathlib.Path(path).read_text())
attempt(lambda: codecs.open(path).read())
attempt(lambda: list(fileinput.input(path)))
attempt(lambda: linecache.getlines(path))
attempt(lambda: tokenize.open(path).read())
attempt(lambda: builtins.__import__("_io").open_code(path).read())
attempt(lambda: os.readlink(path))
attempt(lambda: os.stat(path) and "ESCAPED: it sees the file")
