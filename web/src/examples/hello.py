import sys

print("Hello from Python", sys.version.split()[0])
print("A warning goes to stderr.", file=sys.stderr)

# The value of the last expression is the return value.
{"answer": 6 * 7, "fresh": "sandbox"}
