# Connects to a listener on this machine over TCP and sends it a word.
# Known from: any data exfiltration.
# expect: success
import socket

for make in (
    lambda: socket.create_connection(("127.0.0.1", {{PORT}}), 0.3),
    lambda: socket.create_connection(("localhost", {{PORT}}), 0.3),
    lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM).connect(("::1", {{PORT}})),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect_ex(("127.0.0.1", {{PORT}})),
    lambda: socket.socket().bind(("0.0.0.0", 0)),
    lambda: socket.create_server(("", 0)),
):
    try:
        connection = make()
        print(connection)
        connection.sendall(b"out\n")
        print("ESCAPED:", connection.recv(100))
    except BaseException as error:
        print(type(error).__name__, error)
