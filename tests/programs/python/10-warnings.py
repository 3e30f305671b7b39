# Warnings name a line of the program, or none.
import sys
import warnings

warnings.showwarning = lambda message, category, file, line, *rest: print(file in ("<sys>", "sys", __file__), message)
for level in (1, 2, 3, 10):
    warnings.warn(f"level {level}", stacklevel=level)


def f():
    warnings.warn("from f", DeprecationWarning, stacklevel=2)


warnings.simplefilter("always")
f()
