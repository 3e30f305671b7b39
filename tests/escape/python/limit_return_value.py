# Returns more than may be returned, and a value whose text is made up endlessly.
# Known from: response size amplification.
# expect: return_limit
# timeout: 5000
return_val("x" * 50_000_000)
