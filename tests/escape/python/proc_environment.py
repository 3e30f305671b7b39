# Looks for secrets in the environment, the command line and what Python knows of its host.
# Known from: leaked credentials in CI and FaaS environments.
# expect: success
import os, platform, sys, sysconfig
from pyodide.code import run_js

print(dict(os.environ), sys.argv, sys.orig_argv, sys.path, sys.executable, sys.prefix)
print(platform.uname(), platform.platform(), sysconfig.get_paths())
print(os.getcwd(), os.getlogin() if hasattr(os, "getlogin") else "", os.path.expanduser("~"))
print(run_js("[...Object.getOwnPropertyNames(globalThis), new Error().stack].join()"))
for name in ("{{SECRET_VARIABLE}}", "FAAS_API_TOKEN", "PATH", "HOSTNAME"):
    print(name, os.environ.get(name), os.getenv(name))
