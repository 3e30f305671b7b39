# What the parser refuses is no lack of memory.
for source in ("(" * 10_000, "-" * 100_000 + "1", "f(" * 3_000 + ")" * 3_000, "[" * 150 + "]" * 150):
    try:
        eval(source)
    except (MemoryError, RecursionError, SyntaxError, NameError) as error:
        print("refused" if not isinstance(error, NameError) else "run")
    else:
        print("run")
print("alive")
