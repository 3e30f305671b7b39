# Opens device files of the host.
# Known from: container escapes through device nodes (mknod, /dev/mem, /dev/kmsg).
# expect: success
import os

for name in ("mem", "kmem", "port", "kmsg", "tty", "console", "sda", "vda", "kvm", "fuse", "net/tun", "shm/x", "ptmx", "pts/0"):
    try:
        with open("/dev/" + name, "rb") as file:
            # Emscripten has an empty tty of its own.
            if data := file.read(16):
                print("ESCAPED:", name, data)
    except OSError as error:
        print(name, error.errno)
for make in (lambda: os.mknod("/tmp/mem", 0o20666, os.makedev(1, 1)), lambda: os.openpty(), lambda: os.open("/dev/ptmx", os.O_RDWR)):
    try:
        print(make())
        print("ESCAPED:", open("/tmp/mem", "rb").read(16))
    except (OSError, AttributeError) as error:
        print(type(error).__name__)
