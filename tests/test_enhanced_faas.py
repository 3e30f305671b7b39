#!/usr/bin/env python3
"""Checks of the pool, concurrency, errors and time limits of a running service.

Usage: test_enhanced_faas.py [URL]      (default http://localhost:8000)
"""

import concurrent.futures
import time

from test_pyodide_faas import call, main, run


def test_pool_state():
    _, health = call("/health")
    pool = health["pool"]
    assert pool["totalInstances"] >= pool["idleInstances"] + pool["activeInstances"] >= 1, pool
    assert health["pool_status"]["pendingRequests"] >= 0, health


def test_statistics_count_executions():
    before = call("/health")[1]["scheduler"]["completedTasks"]
    run("python", "1")
    after = call("/health")[1]["scheduler"]["completedTasks"]
    assert after > before, (before, after)


def test_executions_are_isolated():
    run("python", "leaked = 1; import builtins; builtins.leaked = 1")
    answer = run("python", "leaked")
    assert "NameError" in answer["output"]["stderr"], answer


def test_concurrency():
    code = "import time\ntime.sleep(0.5)\nprint(input_data)"
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(20) as workers:
        jobs = [workers.submit(run, "python", code, input=i) for i in range(20)]
        outputs = [job.result()["output"]["stdout"] for job in jobs]
    elapsed = time.monotonic() - started
    assert outputs == [f"{i}\n" for i in range(20)], outputs
    assert elapsed < 5, f"20 executions of half a second took {elapsed:.1f} s"


def test_priorities():
    for priority in ("high", "normal", "low"):
        assert run("python", "1", priority=priority)["metadata"]["status"] == "success"


def test_time_limit():
    answer = run("python", "print('begin')\nwhile True: pass", timeout=500)
    assert answer["metadata"]["timed_out"] is True, answer
    assert answer["metadata"]["exit_code"] == 124, answer
    assert answer["output"]["stdout"] == "begin\n", answer
    assert "500 ms" in answer["output"]["stderr"].splitlines()[-1], answer


def test_errors_are_reported():
    for code, error in (("1/0", "ZeroDivisionError"), ("x = = 1", "SyntaxError")):
        answer = run("python", code)
        assert error in answer["output"]["stderr"], answer
        assert answer["metadata"]["status"] == "error", answer


def test_the_host_is_out_of_reach():
    for code in ("open('/etc/passwd')", "import subprocess; subprocess.run(['id'])"):
        assert run("python", code)["metadata"]["status"] == "error", code


if __name__ == "__main__":
    main(globals())
