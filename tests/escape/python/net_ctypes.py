# Calls the C library's socket functions through ctypes.
# Known from: ctypes escapes; in Emscripten these are stubs over JavaScript.
import ctypes, struct

libc = ctypes.CDLL(None)
address = struct.pack("<HH4s8x", 2, int.from_bytes(({{PORT}}).to_bytes(2, "big"), "little"), bytes([127, 0, 0, 1]))
for family, kind in ((2, 1), (2, 2), (10, 1), (1, 1), (16, 3)):
    try:
        descriptor = libc.socket(family, kind, 0)
        print(descriptor, libc.connect(descriptor, address, len(address)), libc.send(descriptor, b"out", 3, 0))
        print(libc.sendto(descriptor, b"out", 3, 0, address, len(address)))
    except BaseException as error:
        print(type(error).__name__, error)
