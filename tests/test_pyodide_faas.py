#!/usr/bin/env python3
"""Basic checks of a running service, as its users make them.

Usage: test_pyodide_faas.py [URL]      (default http://localhost:8000)
"""

import json
import sys
import urllib.error
import urllib.request

URL = (sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000").rstrip("/")


def call(path, body=None):
    """The status and the decoded body of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def run(language, code, **fields):
    status, answer = call("/run_code", {"language": language, "code": code, **fields})
    assert status == 200, (status, answer)
    return answer


def test_health():
    status, health = call("/health")
    assert status == 200 and health["status"] == "healthy", health


def test_python():
    answer = run("python", "print('Hello from Python!')")
    assert answer["output"]["stdout"] == "Hello from Python!\n", answer


def test_python_return_value():
    code = """
import json

def return_val(value):
    print("__COZE_RETURN_VAL_START__")
    print(json.dumps(value))
    print("__COZE_RETURN_VAL_END__")

return_val({"score": 1.0, "reason": "matches"})
"""
    output = run("python", code)["output"]
    assert json.loads(output["ret_val"]) == {"score": 1.0, "reason": "matches"}, output
    assert output["stdout"] == "", output


def test_python_error():
    answer = run("python", "undefined_name")
    assert "NameError" in answer["output"]["stderr"], answer
    assert answer["metadata"]["exit_code"] == 1, answer


def test_data_processing():
    code = """
import json
import statistics

rows = [{"name": n, "score": s} for n, s in [("a", 90), ("b", 72), ("c", 85)]]
scores = [row["score"] for row in rows]
print(json.dumps({"mean": round(statistics.mean(scores), 2), "best": max(scores)}))
"""
    output = run("python", code)["output"]
    assert json.loads(output["stdout"]) == {"mean": 82.33, "best": 90}, output


def test_javascript():
    code = "console.log('Hello from JavaScript!')"
    status, answer = call("/run_code", {"language": "javascript", "code": code})
    if status == 400 and "Unsupported language" in answer["error"]:
        return "not served here"
    assert answer["output"]["stdout"] == "Hello from JavaScript!\n", answer
    return None


def test_bad_requests():
    for body in ({}, {"code": 1}, {"code": "1", "language": "cobol"}, {"code": "1", "timeout": -1}):
        status, answer = call("/run_code", body)
        assert status == 400 and answer["error"] and answer["details"], (body, answer)


def main(names):
    tests = [(name, test) for name, test in names.items() if name.startswith("test_")]
    failed = 0
    for name, test in tests:
        try:
            note = test()
            print(f"ok      {name}{f' ({note})' if note else ''}")
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {name}: {error}")
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(globals())
