# The text of the program itself: its file, its lines behind form feeds, tabs, classes' sources.
import inspect
import os
import sys
import traceback


class K:
	x = "tab"


def f(n):
	return n / 0


text = "a\x0cb\x1cc\u2028d"
print(inspect.getsource(K).splitlines()[0], inspect.getsource(f).splitlines()[-1].strip())
print(os.path.basename(os.path.dirname(os.path.abspath(__file__))) != "", os.path.isabs(__file__) or True)
print(sys.argv[1:], len(sys.argv), __name__)
try:
	f(1)
except ZeroDivisionError:
	print(traceback.format_exc().splitlines()[2].strip())
	print("sandbox" in traceback.format_exc(), "frozen" in traceback.format_exc())
