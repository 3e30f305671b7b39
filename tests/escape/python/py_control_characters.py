# Prints NULs, escape sequences, lone surrogates, invalid UTF-8 and the longest code points.
# Known from: terminal escape injection; JSON encoders that emit invalid text.
# expect: success
import sys

sys.stdout.buffer.write(b"\x00\x1b]0;title\x07\x1b[2J\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\x80")
sys.stdout.buffer.flush()
for text in ("\ud800", "\udfff\ud800", "\u2028\u2029", "\U0010ffff", '"}]}\n', "</script>"):
    try:
        print(text)
    except UnicodeEncodeError as error:
        print(error)
return_val("\u0000\u001b\"\\")
