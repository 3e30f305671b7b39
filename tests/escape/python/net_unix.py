# Connects to a Unix socket of the host, such as a container daemon's, by path and in the abstract space.
# Known from: mounted docker.sock escapes; abstract sockets of containerd (CVE-2020-15257).
# expect: success
import socket

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for address in ("{{SOCKET_PATH}}", "\0{{SOCKET_PATH}}", "/var/run/docker.sock", "/run/containerd/containerd.sock"):
        try:
            endpoint = socket.socket(socket.AF_UNIX, kind)
            endpoint.connect(address)
            endpoint.send(b"out")
            print("ESCAPED:", address)
        except BaseException as error:
            print(type(error).__name__, error)
try:
    left, right = socket.socketpair()
    print(left, right)
except BaseException as error:
    print(type(error).__name__, error)
