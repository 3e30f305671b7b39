# A program's own hooks for what ends badly.
import sys


class Bad:
    def __del__(self):
        raise RuntimeError("in __del__")


sys.unraisablehook = lambda info: print("unraisable:", info.exc_value)
bad = Bad()
del bad
sys.excepthook = lambda kind, value, trace: print("hook:", kind.__name__, value, trace.tb_lineno, trace.tb_next)
int("x")
