# Returns a value whose text never ends: nested, cyclic, and with a __str__ that recurses.
# Known from: serializers that trust what they are given.
# timeout: 3000
import sys


class Endless(dict):
    def items(self):
        while True:
            yield "x", "y" * 1000

    def __len__(self):
        return 1


cyclic = {}
cyclic["self"] = cyclic
sys.setrecursionlimit(10**7)
value = cyclic
for _ in range(100_000):
    value = {"x": value}
value
