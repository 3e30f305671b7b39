# Text that waits in a program's own file objects comes out.
import io
import os
import sys

out = open(1, "w", closefd=False)
print("by descriptor", file=out)
out.flush()
binary = os.fdopen(os.dup(1), "wb")
binary.write(b"by a copy of it\n")
binary.flush()
wrapper = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
wrapper.write("by a wrapper\n")
kept = [wrapper]
kept.append(kept)
del wrapper, kept
sys.__stdout__.write("by the original\n")
