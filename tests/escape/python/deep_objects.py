# Nests objects and has them printed, compared, copied, pickled and freed.
# Known from: CPython's crashers (deeply nested tuples, trashcan).
# timeout: 5000
import copy, json, marshal, pickle

nested = []
for _ in range(200_000):
    nested = [nested]
for name, use in {
    "repr": lambda: repr(nested),
    "compare": lambda: nested == copy.copy(nested),
    "json": lambda: json.dumps(nested),
    "pickle": lambda: pickle.dumps(nested),
    "deepcopy": lambda: copy.deepcopy(nested),
    "marshal": lambda: marshal.dumps(nested),
    "unpickle": lambda: pickle.loads(b"(" * 100_000 + b"l" * 100_000 + b"."),
    "unmarshal": lambda: marshal.loads(b"[\x01\x00\x00\x00" * 100_000),
}.items():
    try:
        use()
        print(name, "done")
    except BaseException as error:
        print(name, type(error).__name__)
del nested
return_val([])
