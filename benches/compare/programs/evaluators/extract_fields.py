import json
import re

PATTERNS = {
    "emails": r"[\w.+-]+@[\w-]+\.[\w.]+\w",
    "dates": r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b",
    "amounts": r"(?:EUR|USD)\s?(\d+(?:,\d{3})*(?:\.\d{2})?)",
    "orders": r"#(?P<order>[A-Z]{2}-\d{4,})",
    "phones": r"\+\d{1,3}(?:[ -]\d{2,4}){2,4}",
}

text = input_data["text"]
found = {name: re.findall(pattern, text) for name, pattern in PATTERNS.items()}
found["total"] = sum(float(amount.replace(",", "")) for amount in found["amounts"])
found["redacted"] = re.sub(PATTERNS["emails"], lambda match: match[0][0] + "***", text)[:80]
print(json.dumps(found))
