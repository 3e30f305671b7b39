# Opens file: addresses with the standard library's and Pyodide's URL openers.
# Known from: server-side request forgery through urllib (file:///etc/passwd).
# expect: success
# timeout: 6000
import urllib.request
import pyodide.http

for address in ("file://{{WITNESS}}", "file://localhost{{WITNESS}}", "local_file://{{WITNESS}}", "url:file://{{WITNESS}}"):
    for opener in (urllib.request.urlopen, pyodide.http.open_url, urllib.request.urlretrieve):
        try:
            result = opener(address)
            print("got", result.read() if hasattr(result, "read") else result)
        except BaseException as error:
            print(type(error).__name__)
    try:
        print("got", await (await pyodide.http.pyfetch(address)).string())
    except BaseException as error:
        print(type(error).__name__)
