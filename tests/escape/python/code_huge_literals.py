# Compiles a program with a million constants and names.
# Known from: compiler denial of service.
# timeout: 5000
exec("x = [" + ",".join(str(n) for n in range(200_000)) + "]")
exec("\n".join(f"name{n} = {n}" for n in range(50_000)))
exec("def f(" + ",".join(f"a{n}" for n in range(5_000)) + "): pass")
print(len(x))
