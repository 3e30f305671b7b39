#!/usr/bin/env python3
"""Writes _async_client.py, the client for asyncio, which differs from _client.py in words only.

make_async.py           writes it
make_async.py --check   fails if it is not what would be written
"""

import pathlib
import re
import sys

SOURCES = pathlib.Path(__file__).resolve().parent / "src/faas_client"
HEAD = '"""The client for asyncio. make_async.py writes it from _client.py: change that."""\n'
WORDS = [
    (r"\A.*\n", HEAD),
    (
        r"import contextlib\nimport functools\nimport threading\nimport time\n",
        "import asyncio\nimport contextlib\nimport functools\n",
    ),
    (r"\bthreading\.Semaphore\b", "asyncio.Semaphore"),
    (
        r"\b(Faas|RunStream|Batch|Session|FilesOfSession|Sessions|Snapshots|Executions|DuplexTransport)\b",
        r"Async\1",
    ),
    (r"\bhttpx\.Client\b", "httpx.AsyncClient"),
    (r"\b(Generator|Iterator)\b", r"Async\1"),
    (r"\[(Event|BatchRow), None, None\]", r"[\1, None]"),
    (r"\bcontextmanager\b", "asynccontextmanager"),
    (r"__(enter|exit|iter)__", r"__a\1__"),
    # Those that wait; a property and __aiter__ do not.
    (r"(?<!property\n)(    )def (?!__init__|__aiter__)(\w+)\(", r"\1async def \2("),
    (
        r"\bself((?:\._faas|\._session)*)\.(_send|_answer|_continue|_told|run|close|delete)\(",
        r"await self\1.\2(",
    ),
    (r"(?<=response = )http\.send\(", "await http.send("),
    (r"\btools\.call_in_threads\(", "await tools.call_in_tasks("),
    (
        r"\b(response|self\._http|self\._duplex|stream\._events|batch\._rows)\.(read|close)\(\)",
        r"await \1.a\2()",
    ),
    (r"\btime\.sleep\(", "await asyncio.sleep("),
    (r"\bfor (\w+) in (response\.|self\._events|self\._rows|stream|batch)", r"async for \1 in \2"),
    (r"\biter_bytes\b", "aiter_bytes"),
    # Examples, and places.
    (r"\bwith faas\.sessions", "with await faas.sessions"),
    (r"\bwith (Async|await|faas|self\._places|self\._faas)", r"async with \1"),
    (r"(?<=    )((?:print\()?)((?:faas|session)\.run\(.*?\))\.", r"\1(await \2)."),
    (r"(?<=    )session\.run", "await session.run"),
    (r"\bThreads may share\b", "Tasks of one loop may share"),
]

text = (SOURCES / "_client.py").read_text()
for pattern, replacement in WORDS:
    text, count = re.subn(pattern, replacement, text)
    if count == 0:
        sys.exit(f"make_async.py: _client.py has no {pattern}")
path = SOURCES / "_async_client.py"
if "--check" not in sys.argv:
    path.write_text(text)
elif path.read_text() != text:
    sys.exit(f"{path.name} is not what {pathlib.Path(__file__).name} writes: run it")
