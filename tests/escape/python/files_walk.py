# Walks the whole file system for anything of the host.
# Known from: the first look around in any shell.
# expect: success
import os

seen = 0
for directory, directories, files in os.walk("/"):
    seen += len(files)
    for name in files:
        path = os.path.join(directory, name)
        if path == "{{WITNESS}}" or name in ("shadow", "docker.sock", "faas-server", "Cargo.toml"):
            print("ESCAPED:", path)
            print(open(path, "rb").read(300))
    if seen > 20000:
        break
for name in ("root", "work", "usr/bin", "var", "sys", "boot", "run", "opt", "srv"):
    if os.path.exists("/" + name):
        print("ESCAPED:", name, os.listdir("/" + name)[:20])
