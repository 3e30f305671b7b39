# Writes to the host through log files, crash dumps, traces, caches and core modules that open files.
# Known from: configuration injection (logging.config), faulthandler, cProfile, py_compile.
# expect: success
import cProfile, faulthandler, logging, logging.config, os, pickle, py_compile

mark = "{{MARK}}"


def attempt(write):
    try:
        write()
    except BaseException as error:
        print(type(error).__name__)


attempt(lambda: logging.FileHandler(mark).emit(logging.makeLogRecord({"msg": "x"})))
attempt(lambda: logging.config.dictConfig({"version": 1, "handlers": {"f": {"class": "logging.FileHandler", "filename": mark}}}))
attempt(lambda: cProfile.Profile().dump_stats(mark))
attempt(lambda: __import__("dbm.dumb").dumb.open(mark, "c").close())
attempt(lambda: __import__("shelve").open(mark).close())
attempt(lambda: open("/tmp/a.py", "w").write("1") and py_compile.compile("/tmp/a.py", cfile=mark))
attempt(lambda: faulthandler.dump_traceback(file=3))
attempt(lambda: pickle.loads(b"cos\nsystem\n(S'touch " + mark.encode() + b"'\ntR."))
attempt(lambda: os.execv("/bin/touch", ["touch", mark]))
