# Computes with numbers that have millions of digits.
# Known from: CVE-2020-10735 (int to str).
# expect: timeout
# timeout: 500
n = 9 ** (9 ** 8)
print(n % 7)
while True:
    n = n * n
