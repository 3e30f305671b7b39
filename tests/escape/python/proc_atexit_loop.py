# Runs on after its end: atexit functions, destructors and excepthooks that never return.
# Known from: CTF jails that act in __del__ when the check is over.
# expect: timeout
# timeout: 400
import atexit, sys


class Never:
    def __del__(self):
        while True:
            pass


never = Never()
sys.excepthook = sys.unraisablehook = lambda *arguments: atexit._run_exitfuncs()


@atexit.register
def forever():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


raise SystemExit(3)
