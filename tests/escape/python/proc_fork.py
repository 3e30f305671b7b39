# Forks, to get a process that no limit of the first one holds.
# Known from: the standard library.
# expect: success
import concurrent.futures, multiprocessing, os

for fork in (
    lambda: os.fork(),
    lambda: os.forkpty(),
    lambda: os.posix_spawn("/bin/touch", ["touch", "{{MARK}}"], {}),
    lambda: multiprocessing.Process(target=print).start(),
    lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
    lambda: concurrent.futures.ProcessPoolExecutor(1).submit(print).result(1),
):
    try:
        pid = fork()
        print("forked", pid)
        if pid == 0:
            os._exit(0)
    except BaseException as error:
        print(type(error).__name__, error)
