# Sleeps through the stop, in ways that Python does not interrupt.
# Known from: blocking C calls that swallow cancellation.
# expect: timeout
# timeout: 400
import time
import _faas_host

_faas_host.stop_requested = lambda: False
while True:
    try:
        time.sleep(1000)
    except BaseException:
        pass
    try:
        _faas_host.acknowledge_stop()
        _faas_host.sleep(1000)
    except BaseException:
        pass
