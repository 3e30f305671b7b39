# Building, joining, formatting and translating text, in str and bytes methods (the family "strings").
import string

SHIFT = str.maketrans(string.ascii_lowercase, string.ascii_lowercase[13:] + string.ascii_lowercase[:13])


def paragraph(number):
    text = ""
    for index in range(60):
        text += f"{number:04d}-{index:>3}:{'abc' * (index % 4)}:{number / (index + 1):.3f};"
    return text


parts, letters = [], 0
for number in range(700):
    text = paragraph(number)
    words = text.replace(":", " ").replace(";", " ").split()
    joined = "_".join(word.upper() if len(word) > 4 else word[::-1] for word in words)
    parts.append(joined.translate(SHIFT).encode()[:200])
    letters += sum(map(str.isalpha, joined)) + joined.count("ABC") + joined.find("99")
page = b"\n".join(parts)
print(letters, len(page), sum(page) % 65521)
