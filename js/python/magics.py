"""Commands of notebooks in cells: `!pip install` and `%pip install` install, the others say what is there.

A line that begins with % or ! is never Python: only what does not compile is looked at.
"""

import ast
import io
import shlex

import _faas_packages

# Each command costs one more compilation of the cell.
MOST_COMMANDS = 100
TREE = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
# Commands that a cell can do without.
HARMLESS = {"matplotlib", "config", "autosave", "colors", "precision"}
# What is there instead of others.
INSTEAD = {
    "time": "the answer has the time of each cell (metadata.usage); use time.perf_counter() for a part",
    "timeit": "use timeit.timeit(...)",
    "prun": "use cProfile",
    "run": "use exec(open(...).read())",
    "load": "use open(...).read()",
    "env": "use os.environ",
    "cd": "use os.chdir(...)",
    "pwd": "use os.getcwd()",
    "ls": "use os.listdir()",
    "cat": "use print(open(...).read())",
    "writefile": "use open(...).write(...), or PUT /sessions/{id}/files/{path}",
    "who": "use dir(), or GET /sessions/{id}/variables",
    "whos": "use dir(), or GET /sessions/{id}/variables",
    "reset": "use POST /sessions/{id}/restart",
    "conda": "use %pip install",
    "mamba": "use %pip install",
}
# Options of pip that change nothing here.
QUIET_OPTIONS = {"-q", "-qq", "--quiet", "-U", "--upgrade", "--user", "--no-cache-dir", "-y", "--pre"}


def translate(source, file_name):
    """The source with its commands as Python, each in its line."""
    lines = None
    for _ in range(MOST_COMMANDS + 1):
        try:
            compile(source, file_name, "exec", TREE, True)
            return source
        except SyntaxError as error:
            lines = lines or io.StringIO(source, newline=None).readlines()
            number = (error.lineno or 0) - 1
            if not 0 <= number < len(lines) or lines[number].lstrip()[:1] not in ("%", "!"):
                return source
            lines[number] = python_of(lines[number], number, file_name)
            source = "".join(lines)
        except (ValueError, MemoryError, RecursionError):
            return source
    raise SyntaxError(f"a cell has at most {MOST_COMMANDS} commands that begin with % or !")


def python_of(line, number, file_name):
    """One command as a line of Python."""
    text = line.lstrip()
    indent = line[: len(line) - len(text)]
    command, _, rest = text.lstrip("%!").strip().partition(" ")
    if command in ("pip", "pip3") or text.startswith("!python -m pip "):
        arguments = rest.removeprefix("-m pip ")
        return f"{indent}__import__('_faas_magics').pip({arguments.strip()!r})\n"
    if text.startswith("%") and not text.startswith("%%") and command in HARMLESS:
        return f"{indent}pass\n"
    raise SyntaxError(message(text, command), (file_name, number + 1, len(indent) + 1, line))


def message(text, command):
    sign = "%%" if text.startswith("%%") else text[0]
    if instead := INSTEAD.get(command):
        return f"{sign}{command} is not there: {instead}"
    if sign == "!":
        return "there is no shell: of its commands only !pip install is there"
    return f"{sign}{command} is not there: of the commands of notebooks, %pip install and %matplotlib are"


def pip(arguments):
    """What `pip` with these arguments does."""
    words = shlex.split(arguments, comments=True)
    if words[:1] == ["list"]:
        import micropip

        print(micropip.list())
        return
    if words[:1] != ["install"]:
        raise ValueError("of pip, only install and list are there")
    names = requirements(iter(words[1:]))
    if not names:
        raise ValueError("pip install needs the name of a package")
    _faas_packages.install(names)
    print(f"Installed {', '.join(names)}")


def requirements(words):
    names = []
    for word in words:
        if word in ("-r", "--requirement"):
            with open(next(words, "requirements.txt")) as file:
                lines = (line.partition("#")[0].strip() for line in file)
                names += [line for line in lines if line]
        elif word.startswith("-"):
            if word not in QUIET_OPTIONS:
                raise ValueError(f"pip install: the option {word} is not there")
        else:
            names.append(word)
    return names
