# Patches everything that the runner uses to compile, print and report.
# Known from: test harnesses that trust the interpreter they run in.
import ast, asyncio, builtins, json, linecache, sys, traceback

json.dumps = lambda *a, **k: "forged"
ast.PyCF_ONLY_AST = 0
traceback.TracebackException.from_exception = classmethod(lambda *a, **k: 1 / 0)
asyncio.get_event_loop = None
builtins.compile = builtins.eval = builtins.isinstance = builtins.len = lambda *a, **k: "forged"
sys.modules["json"] = sys.modules["traceback"] = sys.modules["_faas_runner"] = None
sys.modules["_faas_host"] = None
sys.stdout = sys.stderr = None
linecache.cache = None
raise KeyError("x")
