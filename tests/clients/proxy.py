"""Something between a client and the server that loses what is sent: what does the client send again?"""

import http.client
import io
import socket
import threading


class Losing:
    """Treats requests, one after the other, as it was told, and hands on those after them."""

    def __init__(self, address, *treatments):
        host, _, port = address.removeprefix("http://").rpartition(":")
        self.server = (host, int(port))
        self.treatments = list(treatments)
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.treat, args=(connection,), daemon=True).start()

    def treat(self, connection):
        with connection:
            request = read_request(connection)
            # Clients open connections that they do not use.
            if request:
                self.seen.append(request)
                treatment = self.treatments.pop(0) if self.treatments else self.hand_on
                treatment(connection, request)

    def stop(self):
        self.listener.close()

    def hand_on(self, connection, request):
        for part in self.parts_of_answer(request):
            connection.sendall(part)

    def lose_the_answer(self, connection, request):
        """The program has run by then."""
        self.answer_to(request)

    def cut_the_answer(self, connection, request):
        answer = self.answer_to(request)
        connection.sendall(answer[: answer.index(b"event: result")])

    def lose_the_request(self, connection, request):
        pass

    def never_answer(self, connection, request):
        connection.recv(1)

    def answer(self, text):
        return lambda connection, request: connection.sendall(text.replace("\n", "\r\n").encode())

    def answer_to(self, request):
        return b"".join(self.parts_of_answer(request))

    def parts_of_answer(self, request):
        with socket.create_connection(self.server) as upstream:
            upstream.sendall(request)
            while part := upstream.recv(65536):
                yield part


def read_request(connection):
    """A request, changed to ask for closing the connection after it. Nothing if none comes."""
    request = b""
    while b"\r\n\r\n" not in request:
        part = connection.recv(65536)
        if not part:
            return b""
        request += part
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    headers = http.client.parse_headers(io.BytesIO(head.partition(b"\r\n")[2] + b"\r\n\r\n"))
    while len(body) < int(headers.get("Content-Length", 0)):
        body += connection.recv(65536)
    lines = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", body])
