# Unpacks a small archive that is huge inside.
# Known from: zip bombs (42.zip), zlib and lzma bombs.
# timeout: 8000
import bz2, lzma, zlib

for name, compress, decompress in (("zlib", zlib.compress, zlib.decompress), ("bz2", bz2.compress, bz2.decompress), ("lzma", lzma.compress, lzma.decompress)):
    try:
        bomb = compress(bytes(20 << 20))
        for _ in range(6):
            bomb = decompress(bomb) * 8
            bomb = compress(bomb[: 40 << 20])
        print(name, len(decompress(bomb) * 100))
    except BaseException as error:
        print(name, type(error).__name__)
