# Makes the interpreter crash: null pointers, wild reads, bad code objects, unreachable code.
# Known from: CPython's own crashers (Lib/test/crashers).
import ctypes
import faulthandler

for crash in (
    lambda: faulthandler._sigsegv(),
    lambda: faulthandler._sigabrt(),
    lambda: faulthandler._stack_overflow(),
    lambda: ctypes.string_at(0x7FFFFFFF, 1 << 20),
    lambda: ctypes.cast(0xFFFFFFF0, ctypes.py_object).value,
):
    try:
        crash()
    except BaseException as error:
        print(type(error).__name__)
