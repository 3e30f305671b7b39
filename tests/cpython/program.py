"""Runs one of CPython's own test modules, here and in plain Pyodide: a line of JSON for each test.

`input_data` has the module's name, and what to leave out: tests that ran in an earlier process, and those
that ended one.
"""

import gc
import json
import os
import sys
import unittest

from test import support

# Whole modules ask for these, and few of their tests use one.
support.has_socket_support = support.has_subprocess_support = True
# Nothing that takes the network, gigabytes or minutes.
support.use_resources = {}
support.verbose = False

MARK = "@cpython-tests "
# Bound here, since tests put others in their place.
say = sys.stdout.write
flush = sys.stdout.flush
before = os.getcwd()


def report(**what):
    say(MARK + json.dumps(what) + "\n")
    flush()


def why_of(error):
    """The exception's last line, without the addresses of objects."""
    kind, value, _ = error
    lines = f"{kind.__name__}: {value}".splitlines()
    # Of a module that cannot be imported, the last line has the error.
    return lines[-1 if value.args and "Failed to import" in str(value) else 0][:300]


class Result(unittest.TestResult):
    """Tells of each test as it begins and ends: an interpreter may end with it."""

    outcome = None

    def startTest(self, test):  # noqa: N802
        super().startTest(test)
        self.outcome = ("passed", "")
        report(begin=test.id())

    def stopTest(self, test):  # noqa: N802
        super().stopTest(test)
        outcome, why = self.outcome
        report(end=test.id(), outcome=outcome, why=why)
        self.outcome = None
        os.chdir(before)

    def set(self, test, outcome, why):
        # The first that failed of a test's parts says why.
        if self.outcome is None:
            report(end=test.id(), outcome=outcome, why=why)
        elif self.outcome[0] in ("passed", "skipped"):
            self.outcome = (outcome, why)

    def addError(self, test, err):  # noqa: N802
        self.set(test, "error", why_of(err))

    def addFailure(self, test, err):  # noqa: N802
        self.set(test, "failure", why_of(err))

    def addSkip(self, test, reason):  # noqa: N802
        self.set(test, "skipped", reason)

    def addExpectedFailure(self, test, err):  # noqa: N802
        pass

    def addUnexpectedSuccess(self, test):  # noqa: N802
        self.set(test, "failure", "unexpected success")

    def addSubTest(self, test, subtest, err):  # noqa: N802
        if err is not None:
            kind = "failure" if issubclass(err[0], test.failureException) else "error"
            self.set(test, kind, why_of(err))


def without(suite, names):
    """The suite without tests of these names."""
    kept = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(without(test, names))
        elif test.id() not in names:
            kept.addTest(test)
    return kept


def main(name, done):
    try:
        tests = unittest.defaultTestLoader.loadTestsFromName(f"test.{name}")
    except unittest.SkipTest as reason:
        report(end=name, outcome="skipped", why=str(reason))
    else:
        without(tests, set(done)).run(Result())
    gc.collect()
    report(complete=True)


main(**input_data)
