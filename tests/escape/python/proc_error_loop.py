# Loops while its error is being formatted, in __str__, __repr__, a getter and a source line.
# Known from: denial of service through exception formatting.
# expect: timeout
# timeout: 400
class Trap(BaseException):
    def __str__(self):
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass

    __repr__ = __str__

    @property
    def __cause__(self):
        return Trap()

    __notes__ = property(__str__)


raise Trap()
