"""Does a little of everything that programs do, so that V8 has compiled what they use.

It must leave nothing behind that a program could see (tests/freshness.rs).
"""

import abc
import ast
import asyncio
import base64
import bisect
import collections
import configparser
import contextlib
import copy
import csv
import dataclasses
import datetime
import decimal
import difflib
import enum
import fractions
import functools
import hashlib
import heapq
import html
import inspect
import io
import itertools
import json
import logging
import math
import operator
import pathlib
import pickle
import random
import re
import sqlite3
import statistics
import string
import struct
import textwrap
import time
import traceback
import typing
import unicodedata
import unittest
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree
import zlib
import zoneinfo


@dataclasses.dataclass(order=True)
class Item:
    name: str
    price: float = 0.0
    tags: list[str] = dataclasses.field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.name!s:>8}|{self.price:8.2f}|{','.join(self.tags) or '-'}"

    @classmethod
    def parse(cls, text: str) -> "Item":
        name, _, price = text.partition("=")
        return cls(name.strip(), float(price))


class Shape(abc.ABC):
    __slots__ = ("side",)

    def __init__(self, side):
        self.side = side

    @abc.abstractmethod
    def area(self): ...

    def __lt__(self, other):
        return self.area() < other.area()

    def __repr__(self):
        return f"{type(self).__name__}({self.side!r})"


class Square(Shape):
    def area(self):
        return self.side**2


class Circle(Shape):
    def area(self):
        return math.pi * self.side**2


class Level(enum.IntFlag):
    LOW = enum.auto()
    HIGH = enum.auto()


class Pair(typing.NamedTuple):
    left: int
    right: int = 0


class Stack:
    def __init__(self, *items):
        self._items = list(items)

    def __len__(self):
        return len(self._items)

    def __iter__(self):
        yield from reversed(self._items)

    def __getitem__(self, index):
        return self._items[index]

    def __contains__(self, item):
        return item in self._items

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return kind is KeyError


def traced(times):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            for _ in range(times - 1):
                function(*args, **kwargs)
            return function(*args, **kwargs)

        return wrapper

    return decorate


@traced(times=2)
def fibonacci(n):
    a, b = 0, 1
    while n > 0:
        a, b, n = b, a + b, n - 1
    return a


@functools.lru_cache(maxsize=None)
def ways(n):
    return 1 if n < 2 else ways(n - 1) + ways(n - 2)


def primes(limit):
    sieve = bytearray([1]) * (limit + 1)
    for i in range(2, int(limit**0.5) + 1):
        if sieve[i]:
            sieve[i * i :: i] = bytes(len(sieve[i * i :: i]))
    return [i for i, flag in enumerate(sieve) if flag and i > 1]


def describe(value):
    match value:
        case {"kind": "point", "at": [x, y]}:
            return f"point {x},{y}"
        case [first, *rest] if rest:
            return f"{first} and {len(rest)} more"
        case str() | bytes():
            return "text"
        case Item(name=name):
            return name
        case None:
            return "nothing"
        case _:
            return "?"


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def shortest(graph, start):
    best, queue = {start: 0}, [(0, start)]
    while queue:
        cost, node = heapq.heappop(queue)
        for target, length in graph.get(node, {}).items():
            if (total := cost + length) < best.get(target, math.inf):
                best[target] = total
                heapq.heappush(queue, (total, target))
    return best


def permute(items):
    if len(items) < 2:
        return [items]
    return [[x, *rest] for i, x in enumerate(items) for rest in permute(items[:i] + items[i + 1 :])]


def text(out):
    line = "The quick brown fox\tjumps over the lazy dog; it doesn't stop. 3.14 & 42!\n"
    print(
        line.strip().title(),
        line.upper().count("O"),
        line.find("fox"),
        line.rsplit(" ", 2),
        file=out,
    )
    print(
        line.translate(str.maketrans("aeiou", "AEIOU")),
        line.swapcase()[::-1].center(90, "*"),
        file=out,
    )
    print(" ".join(w.capitalize() for w in line.split() if w.isalpha()), line.splitlines(), file=out)
    print(
        "{:>10}|{:<10}|{:^10}|{!r}".format("a", "b", "c", "d"),
        "%05.1f %-5s|%x %e" % (2.5, "x", 255, 1e10),
        file=out,
    )
    print(f"{1234567.891:,.2f} {255:#b} {0.25:.1%} {'x' * 3:_^9} {1e-7:g} {-5:+d}", file=out)
    print(
        "caf\u00e9".encode("utf-8"),
        "caf\u00e9".encode("ascii", "replace"),
        b"\xe9".decode("latin-1"),
        file=out,
    )
    print(
        unicodedata.normalize("NFD", "\u00e9"),
        "\u00c9".casefold(),
        ord("a"),
        chr(8364),
        ascii("\u00e9"),
        file=out,
    )
    print(
        textwrap.fill(line * 3, 40),
        textwrap.shorten(line, 20),
        textwrap.indent(line, "> "),
        file=out,
    )
    print(
        string.Template("$a is ${b}").substitute(a=1, b=2),
        string.ascii_letters[:3],
        html.escape("<a&b>"),
        file=out,
    )
    print(difflib.SequenceMatcher(None, "kitten", "sitting").ratio(), file=out)
    print(
        difflib.get_close_matches("appel", ["ape", "apple", "peach"]),
        edit_distance("kitten", "sitting"),
        file=out,
    )
    print("\n".join(difflib.unified_diff(["a", "b"], ["a", "c"], lineterm="")), file=out)
    words = re.findall(r"[a-z']+", line.lower())
    print(
        collections.Counter(words).most_common(3),
        len(set(words)),
        max(words, key=len),
        sorted(words)[:3],
        file=out,
    )
    print(
        re.sub(r"\b(\w)(\w*)", lambda m: m[1].upper() + m[2], line),
        re.split(r"[\s,;]+", line),
        file=out,
    )
    print(
        re.match(r"(?P<year>\d{4})-(?P<month>\d\d)", "2024-05-06").groupdict(),
        re.escape("a.b"),
        file=out,
    )
    print(
        re.search(r"^(?:\+?1[-. ]?)?\(?(\d{3})\)?[-. ]?\d{3}[-. ]?\d{4}$", "(555) 123-4567"),
        file=out,
    )
    print(
        bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", "a@b.org", re.IGNORECASE)),
        "abc".isidentifier(),
        file=out,
    )


def data(out):
    rows = [
        {"id": i, "name": f"n{i}", "score": i * 1.5, "group": "ab"[i % 2], "ok": i % 3 == 0}
        for i in range(12)
    ]
    encoded = json.dumps(
        {"rows": rows, "none": None, "text": '\u00e9"\\\n'},
        indent=2,
        sort_keys=True,
        ensure_ascii=False,
    )
    assert json.loads(encoded)["rows"] == rows
    print(json.dumps(rows, separators=(",", ":")), json.dumps({1: (2, 3)}, default=str), file=out)
    for broken in ("{", '{"a": }', "[1,]"):
        try:
            json.loads(broken)
        except json.JSONDecodeError as error:
            print(error, error.pos, file=out)
    groups = collections.defaultdict(list)
    for row in sorted(rows, key=operator.itemgetter("group", "score"), reverse=True):
        groups[row["group"]].append(row["score"])
    print(
        {k: round(sum(v) / len(v), 2) for k, v in groups.items()},
        [*zip(*groups.values())],
        file=out,
    )
    print([(k, len(list(g))) for k, g in itertools.groupby(rows, key=lambda row: row["ok"])], file=out)
    scores = [row["score"] for row in rows]
    print(
        statistics.mean(scores),
        statistics.median(scores),
        statistics.pstdev(scores),
        statistics.quantiles(scores),
        file=out,
    )
    print(
        min(scores),
        max(scores),
        sum(scores),
        any(scores),
        all(scores),
        statistics.mode("aab"),
        math.fsum(scores),
        file=out,
    )
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    print([row["name"] for row in csv.DictReader(io.StringIO(table.getvalue()))], file=out)
    nested = copy.deepcopy({"a": {"b": [1, {2, 3}, (4,)]}})
    nested["a"]["b"].extend(x for x in range(3))
    print(
        nested,
        {**nested, "c": 1} | {"d": 2},
        nested.get("x", {}).get("y"),
        nested.setdefault("z", []),
        file=out,
    )
    tree = ElementTree.fromstring("<a n='1'><b>x</b><b>y</b></a>")
    print([node.text for node in tree.iter("b")], tree.attrib, ElementTree.tostring(tree), file=out)
    print(
        ast.literal_eval("{'a': [1, 2.5, None]}"),
        urllib.parse.urlparse("http://a/b?c=d#e"),
        file=out,
    )
    print(
        urllib.parse.quote("a b&c"),
        urllib.parse.parse_qs("a=1&b=2"),
        base64.b64encode(b"data"),
        file=out,
    )
    print(
        [hashlib.new(name, b"x").hexdigest()[:8] for name in ("md5", "sha1", "sha256")],
        zlib.crc32(b"x"),
        file=out,
    )
    print(
        struct.unpack(">HI", struct.pack(">HI", 1, 2)),
        pickle.loads(pickle.dumps(rows)) == rows,
        uuid.UUID(int=7),
        file=out,
    )
    with sqlite3.connect(":memory:") as database:
        database.execute("create table t (id integer primary key, name text)")
        database.executemany("insert into t (name) values (?)", [("a",), ("b",)])
        print(
            database.execute("select count(*), max(name) from t where id > ?", (0,)).fetchall(),
            file=out,
        )
    # Not `tempfile`, whose names would then be drawn alike in all forks.
    path = pathlib.Path("/tmp/typical.txt")
    path.write_text("one\ntwo\n")
    with path.open() as file:
        print([line.rstrip() for line in file], path.suffix, path.exists(), file=out)
    path.unlink()
    settings = configparser.ConfigParser()
    settings.read_string("[a]\nb = 1\n")
    print(settings["a"].getint("b"), file=out)


def numbers(out):
    print(
        primes(200)[-3:],
        fibonacci(90),
        ways(60),
        math.gcd(84, 36),
        math.comb(10, 3),
        math.factorial(25),
        file=out,
    )
    print(
        divmod(-7, 3),
        -7 // 2,
        7 % -3,
        2**200 % 1000007,
        pow(3, 200, 1000007),
        int("ff", 16),
        bin(10),
        hex(255),
        oct(8),
        file=out,
    )
    print(
        round(2.675, 2),
        math.isclose(0.1 + 0.2, 0.3),
        float("inf"),
        math.nan,
        1e308 * 10,
        abs(-3.5),
        (2.5).is_integer(),
        file=out,
    )
    print(
        math.sin(1),
        math.cos(1),
        math.atan2(1, 2),
        math.log(10),
        math.log2(8),
        math.exp(1),
        math.hypot(3, 4),
        math.floor(-1.5),
        file=out,
    )
    print(
        decimal.Decimal("1.10") + decimal.Decimal("2.205"),
        decimal.Decimal(1) / 7,
        fractions.Fraction(3, 4) + 1,
        file=out,
    )
    print(
        complex(1, 2) * 3j,
        0b1010 ^ 0b0110,
        ~5 & 0xFF,
        1 << 70,
        (1 << 70) >> 65,
        (255).bit_count(),
        (300).to_bytes(2, "big"),
        file=out,
    )
    matrix = [[i * j + 1.0 for j in range(6)] for i in range(6)]
    product = [[sum(a * b for a, b in zip(row, column)) for column in zip(*matrix)] for row in matrix]
    position, velocity = [0.0, 1.0, 2.0], [0.5, 0.25, 0.125]
    for _ in range(40):
        for i in range(3):
            position[i] += velocity[i] * 0.01
            velocity[i] -= position[i] / (math.sqrt(sum(x * x for x in position)) + 1e-9) ** 3 * 0.01
    print(product[2][3], position, file=out)
    order = list(range(7))
    flips = 0
    while order[0] != 3:
        order.append(order.pop(0))
        order[:3] = order[2::-1]
        flips += 1
        if flips > 20:
            break
    generator = random.Random(7)
    sample = [generator.gauss(0, 1) for _ in range(50)]
    generator.shuffle(sample)
    print(
        generator.choice(sample),
        generator.sample(range(100), 5),
        generator.randint(1, 6),
        generator.choices("ab", k=3),
        file=out,
    )
    ordered = sorted(sample)
    bisect.insort(ordered, 0.5)
    for i in range(len(sample) - 1):
        for j in range(len(sample) - 1 - i):
            if sample[j] > sample[j + 1]:
                sample[j], sample[j + 1] = sample[j + 1], sample[j]
    print(
        heapq.nlargest(3, sample),
        bisect.bisect(ordered, 0.1),
        list(itertools.accumulate(range(8), operator.mul)),
        file=out,
    )
    print(
        shortest({"a": {"b": 1, "c": 4}, "b": {"c": 2}, "c": {}}, "a"),
        permute([1, 2, 3, 4])[-1],
        file=out,
    )


def objects(out):
    items = [Item.parse("b = 2"), Item("a", 1.5, ["x", "y"]), Item("c")]
    print(
        *(item.label for item in sorted(items)),
        items[0] == Item("b", 2.0),
        dataclasses.asdict(items[1]),
        file=out,
    )
    print(
        dataclasses.replace(items[0], price=3),
        sorted([Square(2), Circle(1)]),
        Level.LOW | Level.HIGH,
        Level(2).name,
        file=out,
    )
    print(
        Pair(1)._replace(right=5),
        [describe(x) for x in ({"kind": "point", "at": [1, 2]}, [1, 2, 3], "t", items[0], None, 1.5)],
        file=out,
    )
    with Stack(1, 2, 3) as stack:
        print(
            len(stack),
            list(stack),
            2 in stack,
            stack[-1],
            isinstance(stack, Stack),
            hasattr(stack, "missing"),
            file=out,
        )
        raise KeyError("ends the block")
    try:
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("wrapped") from error
        finally:
            print("finally", file=out)
    except (RuntimeError, TypeError) as error:
        print(type(error).__name__, error, error.__cause__, traceback.format_exc(), file=out)
    for action in (
        lambda: [][1],
        lambda: {}["k"],
        lambda: 1 / 0,
        lambda: None.x,
        lambda: "a" + 1,
        lambda: missing,
        lambda: int(""),
    ):
        with contextlib.suppress(
            IndexError,
            LookupError,
            ArithmeticError,
            AttributeError,
            TypeError,
            NameError,
            ValueError,
        ):
            action()
    try:
        Shape(1)
    except TypeError as error:
        print(error, file=out)
    try:
        compile("def f(:\n  pass", "<text>", "exec")
    except SyntaxError as error:
        print(error.lineno, error.msg, file=out)
    names = {}
    exec("def double(x):\n    return x * 2\nresult = [double(i) for i in range(5)]", names)
    print(
        names["result"],
        eval("1 + 2 * 3"),
        [node.id for node in ast.walk(ast.parse("a + b")) if isinstance(node, ast.Name)],
        file=out,
    )
    print(
        inspect.signature(edit_distance),
        inspect.isfunction(describe),
        callable(Item),
        vars(items[0]),
        getattr(items[0], "name"),
        file=out,
    )
    chained = itertools.chain([1], (2, 3), {4}, range(5, 7))
    print(
        functools.reduce(operator.add, chained),
        list(map(str, filter(None, [0, 1, 2]))),
        [*itertools.product("ab", repeat=2)],
        file=out,
    )
    print(
        list(itertools.combinations(range(4), 2)),
        list(itertools.islice(itertools.count(1, 2), 3)),
        functools.partial(pow, 2)(5),
        file=out,
    )
    queue = collections.deque([1, 2, 3], maxlen=3)
    queue.appendleft(0)
    queue.rotate(1)
    print(
        queue,
        collections.OrderedDict(a=1),
        collections.ChainMap({"a": 1}, {"b": 2})["b"],
        frozenset("ab") & set("bc"),
        file=out,
    )
    first, *middle, last = range(6)
    print(
        first,
        middle,
        last,
        {x: y for x, y in enumerate("abc")},
        {c for c in "hello"},
        [y for x in [[1], [2, 3]] for y in x],
        file=out,
    )
    moment = datetime.datetime(2024, 2, 28, 23, 30, tzinfo=zoneinfo.ZoneInfo("UTC")) + datetime.timedelta(
        hours=1, days=1
    )
    print(
        moment.isoformat(),
        moment.strftime("%A %d %B %Y %H:%M"),
        moment.weekday(),
        moment.date() - datetime.date(2024, 1, 1),
        file=out,
    )
    print(
        datetime.datetime.strptime("2024-01-02", "%Y-%m-%d"),
        datetime.datetime.fromisoformat("2024-01-02T03:04:05"),
        time.strftime("%Y", time.gmtime(0)),
        file=out,
    )
    # Not `getLogger`, which would keep it.
    log = logging.Logger("typical")
    log.addHandler(logging.StreamHandler(out))
    log.warning("%s and %d", "text", 1)


class Case(unittest.TestCase):
    def test_it(self):
        self.assertEqual(fibonacci(10), 55)
        self.assertIn(2, primes(10))
        with self.assertRaises(ZeroDivisionError):
            1 / 0


async def fetch(number):
    await asyncio.sleep(0)
    return number * 2


async def concurrent():
    queue = asyncio.Queue()
    await queue.put(1)
    results = await asyncio.gather(*(fetch(n) for n in range(3)))
    async with asyncio.timeout(1):
        results.append(await queue.get())
    return results


out = io.StringIO()
text(out)
data(out)
numbers(out)
objects(out)
with contextlib.redirect_stdout(out):
    print(await concurrent())
suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
assert unittest.TextTestRunner(stream=out).run(suite).wasSuccessful()
print(out.getvalue()[:1])
