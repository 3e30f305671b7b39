# Resolves names, which would send the data in them to a name server.
# Known from: DNS exfiltration.
# expect: success
import socket

# Emscripten answers with addresses that it makes up; nothing may leave.
for name in ("localhost", "secret.127.0.0.1.nip.example", "example.com"):
    for resolve in (socket.gethostbyname, lambda n: socket.getaddrinfo(n, {{PORT}}), socket.gethostbyname_ex, socket.getfqdn):
        try:
            print(name, resolve(name))
        except BaseException as error:
            print(type(error).__name__, error)
try:
    print(socket.gethostbyaddr("127.0.0.1"), socket.gethostname())
    print(socket.if_nameindex())
except BaseException as error:
    print(type(error).__name__, error)
