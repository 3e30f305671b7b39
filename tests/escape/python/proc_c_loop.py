# Loops within one call of C code, where no bytecode is ever run.
# Known from: the limits of Python-level watchdogs.
# expect: timeout
# timeout: 400
sum(range(10**12))
