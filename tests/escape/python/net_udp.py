# Sends datagrams, which need no answer to carry data out.
# Known from: DNS and UDP exfiltration.
# expect: success
import socket

for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "224.0.0.1")):
    for use in ("sendto", "connect", "raw"):
        try:
            kind = socket.SOCK_RAW if use == "raw" else socket.SOCK_DGRAM
            endpoint = socket.socket(family, kind)
            if use == "connect":
                endpoint.connect((address, {{PORT}}))
                endpoint.send(b"out")
            else:
                endpoint.sendto(b"out", (address, {{PORT}}))
            print("sent")
        except BaseException as error:
            print(type(error).__name__, error)
