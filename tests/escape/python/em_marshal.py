# Loads damaged code objects, which CPython does not check.
# Known from: fuzzers of marshal.loads; Python's documentation warns of it.
import marshal, random

good = marshal.dumps(compile("def f(a, *b, c=1):\n    return [a, b, c, f]\nprint(f(1))", "x", "exec"))
generator = random.Random(1)
for round in range(300):
    bad = bytearray(good)
    for _ in range(generator.randrange(1, 4)):
        bad[generator.randrange(len(bad))] = generator.randrange(256)
    try:
        marshal.loads(bytes(bad))
    except Exception:
        pass
print("loaded them all")
