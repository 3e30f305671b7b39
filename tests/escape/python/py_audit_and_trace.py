# Installs audit hooks, tracers, profilers and import hooks that see what the runner does, and break it.
# Known from: sys.addaudithook, sys.settrace, sys.monitoring.
import builtins, sys, threading

seen = []
sys.addaudithook(lambda name, arguments: seen.append((name, str(arguments)[:100])) or (1 / 0 if name == "import" and len(seen) > 500 else None))
sys.settrace(lambda *a: (_ for _ in ()).throw(ValueError))
sys.setprofile(lambda *a: None)
builtins.__import__ = lambda *a, **k: 1 / 0
print([entry for entry in seen if "{{WITNESS}}" in str(entry)])
1 / 0
