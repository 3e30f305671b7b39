"""A machine without a network, as `socket` has it. Emscripten invents addresses that it cannot reach."""

import errno
import functools
import socket

NO_NETWORK = "the sandbox has no network"
# Names of this computer.
LOCAL = ("localhost", "localhost.localdomain", socket.gethostname())


def unreachable():
    return OSError(errno.ENETUNREACH, NO_NETWORK)


def address_of(host):
    """What stands for a host: addresses need no network, other names cannot be found."""
    name = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host
    # No name has a colon: IPv6.
    if not isinstance(name, str) or name in ("", "<broadcast>") or ":" in name or is_address(name):
        return host
    if name.lower() in LOCAL:
        return "127.0.0.1"
    raise socket.gaierror(socket.EAI_AGAIN, NO_NETWORK)


def is_address(name):
    try:
        socket.inet_aton(name)
    except OSError:
        return False
    return True


def of_address(find):
    """A function that finds hosts, for addresses only."""

    @functools.wraps(find)
    def found(host, *arguments, **options):
        return find(address_of(host), *arguments, **options)

    return found


def described(host):
    """What gethostbyaddr and gethostbyname_ex say of a host: its name, other names, its addresses."""
    address = address_of(host)
    return host, [], [address]


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
socket.getaddrinfo, socket.gethostbyname = of_address(socket.getaddrinfo), of_address(socket.gethostbyname)
socket.gethostbyaddr = socket.gethostbyname_ex = described
