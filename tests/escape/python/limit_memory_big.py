# Asks for everything at once.
# Known from: integer and string bombs.
# expect: success
# timeout: 5000
for make in (lambda: bytearray(1 << 31), lambda: "x" * (1 << 31), lambda: [0] * (1 << 29), lambda: memoryview(bytes(1 << 30)), lambda: list(range(1 << 28))):
    try:
        print(len(make()))
    except (MemoryError, OverflowError) as error:
        print(type(error).__name__)
