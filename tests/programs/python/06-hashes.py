# Key derivation, by the test vectors of RFC 6070, RFC 7914 and CPython's own.
import hashlib

print(hashlib.pbkdf2_hmac("sha1", b"password", b"salt", 4096).hex())
print(hashlib.pbkdf2_hmac("sha256", b"passwd", b"salt", 1, 64).hex()[:32])
print(hashlib.pbkdf2_hmac("SHA512", bytearray(b"p"), memoryview(b"s"), 1000, dklen=8).hex())
print(hashlib.pbkdf2_hmac("md5", b"p", b"s", 3).hex(), hashlib.pbkdf2_hmac("sha384", b"p", b"s", 3).hex()[:16])
print(hashlib.scrypt(b"password", salt=b"NaCl", n=1024, r=8, p=16, dklen=64).hex()[:32])
for arguments in [("sha256", b"p", b"s", 0), ("sha256", b"p", b"s", 1, 0)]:
    try:
        hashlib.pbkdf2_hmac(*arguments)
    except ValueError as error:
        print(type(error).__name__)
try:
    hashlib.pbkdf2_hmac("no such hash", b"p", b"s", 1)
except ValueError:
    print("ValueError")
try:
    hashlib.scrypt(b"p", salt=b"s", n=3, r=1, p=1)
except ValueError:
    print("ValueError")

for name in ("sha3_256", "blake2b", "blake2s", "sha3_512"):
    print(name, hashlib.pbkdf2_hmac(name, b"password", b"salt", 3, 100).hex())
