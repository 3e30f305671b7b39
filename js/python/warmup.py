"""Takes the paths that most programs take, so that forks find them imported, compiled and hot."""

import asyncio
import base64
import bisect
import collections
import contextlib
import copy
import csv
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import heapq
import inspect
import io
import itertools
import json
import logging
import math
import operator
import os
import pathlib
import random
import re
import statistics
import string
import sys
import textwrap
import time
import traceback
import typing
import unicodedata
import uuid


@dataclasses.dataclass
class Point:
    x: int
    y: float = 1.5


class Color(enum.Enum):
    RED = 1


def mean(values):
    return sum(values) / len(values)


async def later():
    await asyncio.sleep(0)
    return 1


words = "the quick brown fox jumps over the lazy dog, the end".split()
counts = collections.Counter(words)
table = collections.defaultdict(list)
for word in words:
    table[len(word)].append(word.upper())
data = json.loads(json.dumps({"a": [1, 2.5, None, True], "b": {"c": "d\u00e9"}}))
print(json.dumps(data, indent=2), file=io.StringIO())
print(f"{mean([1, 2, 3]):.2f} {Point(1)!r} {Color.RED} {sorted(counts.items(), key=lambda p: -p[1])[:2]}")
print(re.sub(r"(\w+)@(\w+)\.com", r"\2 at \1", "joe@example.com"), re.findall(r"\d+", "a1b22c333"))
print(statistics.stdev([1, 2, 3, 4]), math.sqrt(2), decimal.Decimal("0.1") + decimal.Decimal("0.2"))
print(datetime.datetime(2024, 2, 29).isoformat(), hashlib.sha256(b"x").hexdigest()[:8])
print(sum(i * i for i in range(20000)), [x for x in range(2000) if x % 7 == 0][-1])
print(list(csv.reader(io.StringIO("a,b\n1,2\n"))), base64.b64encode(b"hello"), uuid.UUID(int=5))
print("%s %d %5.1f %r" % ("a", 3, 2.5, "x"), "-".join(map(str, range(50))), textwrap.dedent("  a"))
try:
    {}["missing"]
except KeyError as error:
    print(type(error).__name__, error)
print(asyncio.run(later()), random.random() < 1, random.choice(words) in words)
await later()
counts
