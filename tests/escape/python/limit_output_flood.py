# Writes without end, in large pieces.
# Known from: log flooding.
# expect: output_limit
# timeout: 8000
text = "x" * 1_000_000
while True:
    print(text)
