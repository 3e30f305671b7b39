# Reads from standard input, the terminal and debuggers, where there is nobody.
# Known from: programs that wait for a person.
import getpass, pdb, sys

for read in (lambda: input(), lambda: sys.stdin.read(), lambda: sys.stdin.buffer.read(10), lambda: getpass.getpass(), lambda: pdb.set_trace()):
    try:
        print("got", repr(read()))
    except BaseException as error:
        print(type(error).__name__)
