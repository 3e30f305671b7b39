"""A machine without a network, as `socket` has it. Emscripten invents addresses that it cannot reach."""

import errno
import functools
import socket

NO_NETWORK = "the sandbox has no network"
# Names of this computer.
LOCAL = ("localhost", "localhost.localdomain", socket.gethostname())
FAMILIES = (socket.AF_INET, socket.AF_INET6)


def unreachable():
    return OSError(errno.ENETUNREACH, NO_NETWORK)


def address_of(host):
    """What stands for a host: addresses need no network, other names cannot be found."""
    name = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host
    if (
        not isinstance(name, str)
        or name in ("", "<broadcast>")
        or any(is_address(name, one) for one in FAMILIES)
    ):
        return host
    if name.lower() in LOCAL:
        return "127.0.0.1"
    raise socket.gaierror(socket.EAI_AGAIN, NO_NETWORK)


def is_address(name, family):
    try:
        socket.inet_pton(family, name.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


def of_address(find):
    """A function that finds hosts, for addresses only."""

    @functools.wraps(find)
    def found(host, *arguments, **options):
        return find(address_of(host), *arguments, **options)

    return found


def connect(self, address, /):
    raise unreachable()


def connect_ex(self, address, /):
    return errno.ENETUNREACH


def listen(self, backlog=0, /):
    raise OSError(errno.EOPNOTSUPP, NO_NETWORK)


def sendto(self, *arguments):
    raise unreachable()


for function in (connect, connect_ex, listen, sendto):
    function.__qualname__ = f"socket.{function.__name__}"
    function.__module__ = "socket"
    setattr(socket.socket, function.__name__, function)
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
    setattr(socket, name, of_address(getattr(socket, name)))
