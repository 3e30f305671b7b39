# Recurses in Python without a limit.
# Known from: stack exhaustion in the interpreter.
import sys

sys.setrecursionlimit(10**8)


def deep(n):
    return deep(n + 1)


try:
    deep(0)
except BaseException as error:
    print(type(error).__name__)
