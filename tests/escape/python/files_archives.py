# Unpacks archives whose members climb out of the directory.
# Known from: CVE-2007-4559 (tarfile), "Zip Slip", CVE-2025-4517 (tarfile filters).
# expect: success
import io, os, tarfile, zipfile
import pyodide_js

mark = "{{MARK}}"
names = [mark, "../" * 30 + mark, "link/../.." + mark]
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w") as archive:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/"
    archive.addfile(link)
    for name in names:
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
zipped = io.BytesIO()
with zipfile.ZipFile(zipped, "w") as archive:
    for name in names:
        archive.writestr(name, "x")
os.makedirs("/tmp/out", exist_ok=True)
for filter in ("fully_trusted", "tar", "data"):
    try:
        tar.seek(0)
        tarfile.open(fileobj=tar).extractall("/tmp/out", filter=filter)
    except BaseException as error:
        print(type(error).__name__)
try:
    zipfile.ZipFile(zipped).extractall("/")
except BaseException as error:
    print(type(error).__name__)
for data, format in ((tar, "tar"), (zipped, "zip")):
    try:
        from js import Uint8Array
        pyodide_js.unpackArchive(Uint8Array.new(data.getvalue()), format, extractDir="/")
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])
