import json

TYPES = {"string": str, "number": (int, float), "boolean": bool, "array": list, "object": dict}


def check(value, schema, path="$"):
    expected = TYPES[schema["type"]]
    if not isinstance(value, expected) or (schema["type"] == "number" and isinstance(value, bool)):
        return [f"{path}: expected {schema['type']}, got {type(value).__name__}"]
    problems = []
    if schema["type"] == "object":
        for name in schema.get("required", []):
            if name not in value:
                problems.append(f"{path}.{name}: missing")
        for name, rule in schema.get("properties", {}).items():
            if name in value:
                problems += check(value[name], rule, f"{path}.{name}")
    if schema["type"] == "array":
        for index, item in enumerate(value):
            problems += check(item, schema["items"], f"{path}[{index}]")
    return problems


try:
    answer = json.loads(input_data["answer"])
    problems = check(answer, input_data["schema"])
except json.JSONDecodeError as error:
    problems = [f"not JSON: {error}"]
print(json.dumps({"valid": not problems, "problems": problems}, indent=1))
