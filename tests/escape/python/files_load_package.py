# Has Pyodide load packages from file and network addresses, and from a lock file of its own making.
# Known from: Pyodide's loadPackage and micropip.install, which take URLs.
# expect: success
# timeout: 15000
import asyncio, json
import pyodide_js


async def attempt(what):
    try:
        value = what()
        if hasattr(value, "__await__"):
            value = await asyncio.wait_for(asyncio.ensure_future(value), 0.3)
        print("did", value)
    except BaseException as error:
        print(type(error).__name__, str(error)[:100])


addresses = ["file://{{WITNESS}}", "{{WITNESS}}", "http://127.0.0.1:{{PORT}}/x-1-py3-none-any.whl"]
for address in addresses:
    await attempt(lambda: pyodide_js.loadPackage(address))
    await attempt(lambda: pyodide_js.loadPackage(address, checkIntegrity=False))
packages = pyodide_js._api.lockfile_packages
for address in addresses:
    try:
        entry = pyodide_js._api.lockfile_packages.to_py()
        name = next(iter(entry))
        setattr(getattr(packages, name), "file_name", address)
        await attempt(lambda: pyodide_js.loadPackage(name))
    except BaseException as error:
        print(type(error).__name__)
try:
    import micropip
    for address in addresses:
        await attempt(lambda: micropip.install(address))
except BaseException as error:
    print(type(error).__name__)
