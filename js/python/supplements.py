"""What CPython has and Pyodide lacks, where the host can help."""

import hashlib
import operator
import os
import re
import signal
import time

from pyodide.ffi import to_js

import _faas_host

# What the host derives keys with (crates/faas-engine/src/key_derivation.rs).
HASHES_OF_HOST = {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}
# Largest int of C, and largest long of most machines.
LARGEST, MOST_MEMORY = 2**31 - 1, 2**63 - 1
# Directives of strftime: all that musl has (src/time/strftime.c), and any.
MUSL_KNOWS = re.compile(
    r"(?:[^%]|%[-_0]?\+?(?:\d*[CFGY]|[EO]?[%aAbBcCdDeFgGhHIjmMnprRsStTuUVwWxXyYzZ]))*", re.DOTALL
)
DIRECTIVE = re.compile(r"%([-_0^#+]*\d*)([EO]?.|\Z)", re.DOTALL)

# In s: nothing that a program waits for needs to be nearer.
SHORTEST_INTERVAL = 0.001


class ItimerError(OSError):
    """An invalid timer."""

    __module__ = "signal"


def setitimer(which, seconds, interval=0.0):
    """Have SIGALRM arrive after so many seconds of wall time, and then at each interval; 0: never."""
    if which != ITIMER_REAL:
        raise ItimerError(22, "Invalid argument: the sandbox has ITIMER_REAL only")
    if seconds < 0 or interval < 0:
        raise ItimerError(22, "Invalid argument")
    before = getitimer(which)
    if interval:
        interval = max(interval, SHORTEST_INTERVAL)
    _faas_host.set_alarm(seconds * 1000, interval * 1000)
    if seconds and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
        signal.signal(signal.SIGALRM, end_by_alarm)
    _timer[:] = [time.monotonic() + seconds if seconds else 0.0, interval]
    return before


def end_by_alarm(signum, frame):
    """What the signal does to a program that has no handler of its own. CPython drops such a signal here."""
    signal.signal(signum, signal.SIG_DFL)
    signal.raise_signal(signum)


def getitimer(which):
    """What is left until the next SIGALRM, and the interval, in s."""
    if which != ITIMER_REAL:
        raise ItimerError(22, "Invalid argument: the sandbox has ITIMER_REAL only")
    due, interval = _timer
    left = due - time.monotonic() if due else 0.0
    if left < 0:
        left = left % interval if interval else 0.0
    return left, interval


def alarm(seconds, /):
    """Have SIGALRM arrive after so many seconds. Returns what was left of an earlier alarm."""
    left, _ = setitimer(ITIMER_REAL, int(seconds))
    return int(left + 0.999)


def pause():
    """Wait until a signal arrives."""
    time.sleep(float(2**31))


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """PKCS #5, password-based key derivation 2, by the host if it has the hash."""
    if not isinstance(hash_name, str):
        raise TypeError(f"pbkdf2_hmac() argument 'hash_name' must be str, not {type(hash_name).__name__}")
    size = hashlib.new(hash_name).digest_size
    length = size if dklen is None else dklen
    password, salt = octets(password), octets(salt)
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if length < 1:
        raise ValueError("key length must be greater than 0.")
    if max(iterations, length) > LARGEST:
        raise OverflowError("iteration value or key length is too great.")
    name = hashlib.new(hash_name).name
    if name not in HASHES_OF_HOST:
        return derive_by_hand(name, password, salt, iterations, length)
    return _faas_host.pbkdf2(name, to_js(password), to_js(salt), iterations, length).to_bytes()


def derive_by_hand(name, password, salt, iterations, length):
    """PBKDF2 (RFC 8018, 5.2) with any hash that hashlib has."""
    import hmac

    keyed = hmac.new(bytes(password), None, name)

    def block_of(number):
        total, block = 0, bytes(salt) + number.to_bytes(4, "big")
        for _ in range(iterations):
            hasher = keyed.copy()
            hasher.update(block)
            block = hasher.digest()
            total ^= int.from_bytes(block, "big")
        return total.to_bytes(len(block), "big")

    count = -(-length // keyed.digest_size)
    return b"".join(block_of(number) for number in range(1, count + 1))[:length]


def scrypt(password, *, salt, n, r, p, maxmem=0, dklen=64):
    """RFC 7914, by the host."""
    password, salt = octets(password), octets(salt)
    n, r, p, maxmem, dklen = map(operator.index, (n, r, p, maxmem, dklen))
    if n < 2 or n & (n - 1):
        raise ValueError("n must be a power of 2.")
    if r < 1 or p < 1:
        raise ValueError("r and p must be greater than 0.")
    if maxmem > MOST_MEMORY:
        raise OverflowError("Python int too large to convert to C long")
    if not 0 <= maxmem <= LARGEST:
        raise ValueError(f"maxmem must be positive and smaller than {LARGEST}")
    if not 0 < dklen <= LARGEST:
        raise ValueError(f"dklen must be greater than 0 and smaller than {LARGEST}")
    # OpenSSL's own default.
    if 128 * r * (n + p + 2) > (maxmem or 32 << 20):
        raise ValueError("Invalid parameter combination for n, r, p, maxmem: memory limit exceeded")
    return _faas_host.scrypt(to_js(password), to_js(salt), n, r, p, dklen).to_bytes()


def octets(value):
    """The bytes of something like bytes; a TypeError of Python's own for anything else."""
    if isinstance(value, str):
        raise TypeError("a bytes-like object is required, not 'str'")
    return memoryview(value).tobytes()


def strftime(text, moment=None, /):
    """time.strftime. musl's gives nothing at all for a text with one directive that it does not know."""
    if not isinstance(text, str) or MUSL_KNOWS.fullmatch(text):
        return _strftime(text) if moment is None else _strftime(text, moment)
    moment = time.localtime() if moment is None else moment
    hour = moment[3]
    of_glibc = {"P": "am" if hour < 12 else "pm", "k": f"{hour:2}", "l": f"{(hour + 11) % 12 + 1:2}"}

    def known(match):
        flags, letter = match.groups()
        if MUSL_KNOWS.fullmatch(match[0]):
            return match[0]
        if MUSL_KNOWS.fullmatch("%" + letter):
            # Flags that only glibc has.
            return _strftime("%" + letter, moment).upper() if "^" in flags else "%" + letter
        if letter not in of_glibc:
            # glibc leaves what it does not know as it is.
            return "%" + match[0]
        hours = of_glibc[letter]
        return {"-": hours.lstrip(), "0": hours.replace(" ", "0")}.get(flags, hours)

    return _strftime(DIRECTIVE.sub(known, text), moment)


def seconds_of_cpu():
    """CPU time of this sandbox, in s."""
    return _faas_host.cpu_time() / 1000


def nanoseconds_of_cpu():
    """CPU time of this sandbox, in ns."""
    return round(_faas_host.cpu_time() * 1_000_000)


def times():
    """os.times: all CPU time counts as the user's, since nothing tells it from the system's."""
    return os.times_result((seconds_of_cpu(), 0.0, 0.0, 0.0, time.monotonic()))


ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF = 0, 1, 2
_timer = [0.0, 0.0]
_strftime = time.strftime

homes = {strftime: time, times: os, pbkdf2_hmac: hashlib, scrypt: hashlib}
for function in (setitimer, getitimer, alarm, pause, pbkdf2_hmac, scrypt, strftime, times):
    home = homes.get(function, signal)
    function.__module__ = home.__name__
    setattr(home, function.__name__, function)
signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF = ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF
signal.ItimerError = ItimerError
# Emscripten's own count wall time.
time.process_time = time.thread_time = seconds_of_cpu
time.process_time_ns = time.thread_time_ns = nanoseconds_of_cpu
