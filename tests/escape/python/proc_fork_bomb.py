# The fork bomb, with processes and with threads.
# Known from: :(){ :|:& };:
# expect: success
import _thread, os, threading

made = 0
for _ in range(5000):
    for make in (os.fork, lambda: threading.Thread(target=print).start(), lambda: _thread.start_new_thread(print, ())):
        try:
            make()
            made += 1
        except BaseException as error:
            last = error
print("made", made, last)
