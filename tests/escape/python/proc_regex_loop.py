# A regular expression that backtracks for ever.
# Known from: ReDoS (CWE-1333).
# expect: timeout
# timeout: 400
import re

re.match(r"(a|a|aa)+$", "a" * 60 + "!")
