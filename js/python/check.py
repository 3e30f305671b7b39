"""Looks at a program without running any of it: syntax, imports, complexity."""

import ast
import json

import _faas_packages

FILE_NAME = "<code>"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
NESTING = (*LOOPS, ast.If, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
MODULE = "<module>"


def check(source):
    """What is found, as JSON in the form of src/findings.rs."""
    try:
        tree = compile(source, FILE_NAME, "exec", FLAGS | ast.PyCF_ONLY_AST, True)
        compile(tree, FILE_NAME, "exec", FLAGS, True)
        findings = {
            "valid": True,
            "errors": [],
            "imports": list(imports(tree)),
            "complexity": Figures(tree).summary(),
        }
    except SyntaxError as error:
        findings = invalid(error.lineno, error.offset, f"{type(error).__name__}: {error.msg}")
    except (MemoryError, RecursionError):
        findings = invalid(0, 0, "SyntaxError: the program is too deeply nested")
    except ValueError as error:  # Null characters, surrogates.
        findings = invalid(0, 0, f"SyntaxError: {error}")
    return json.dumps(findings)


def invalid(line, column, message):
    fault = {"line": line or 0, "column": column or 0, "message": message}
    return {"valid": False, "errors": [fault], "imports": []}


def imports(tree):
    """Each module once, with the line of its first import."""
    lines = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        else:
            continue
        for name in names:
            lines[name] = min(node.lineno, lines.get(name, node.lineno))
    for name, line in sorted(lines.items(), key=lambda item: item[1]):
        top = name.partition(".")[0]
        available = _faas_packages.is_there(top)
        package = None if available else _faas_packages.provider(top)
        yield {"module": name, "line": line, "available": available, "package": package}


class Figures(ast.NodeVisitor):
    """Counts, function by function. A function's figures leave out those of functions inside it."""

    def __init__(self, tree):
        self.functions = []
        self.loops = self.loop_depth = self.max_loop_depth = 0
        self.enter(MODULE, 1, tree.body)

    def enter(self, name, line, body):
        outer = getattr(self, "current", None), getattr(self, "nesting", 0), self.loop_depth
        self.nesting = self.loop_depth = 0
        self.current = {"name": name, "line": line, "statements": 0, "nesting": 0, "cyclomatic": 1}
        self.functions.append(self.current)
        for node in body:
            self.visit(node)
        self.current, self.nesting, self.loop_depth = outer

    def visit(self, node):
        current = self.current
        if isinstance(node, ast.stmt):
            current["statements"] += 1
        if isinstance(node, FUNCTIONS):
            for outside in (*getattr(node, "decorator_list", ()), *defaults(node.args)):
                self.visit(outside)
            name = getattr(node, "name", "<lambda>")
            body = node.body if isinstance(node.body, list) else [node.body]
            self.enter(name, node.lineno, body)
            return
        current["cyclomatic"] += branches(node)
        if isinstance(node, COMPREHENSIONS):
            self.within_loops(node, len(node.generators))
        elif isinstance(node, NESTING):
            self.within_block(node)
        else:
            self.generic_visit(node)

    def within_block(self, node):
        self.nesting += 1
        self.current["nesting"] = max(self.current["nesting"], self.nesting)
        if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            # An elif is not nested in its if.
            for part in (node.test, *node.body):
                self.visit(part)
            self.nesting -= 1
            self.visit(node.orelse[0])
            return
        self.within_loops(node, isinstance(node, LOOPS))
        self.nesting -= 1

    def within_loops(self, node, loops):
        self.loops += loops
        self.loop_depth += loops
        self.max_loop_depth = max(self.max_loop_depth, self.loop_depth)
        self.generic_visit(node)
        self.loop_depth -= loops

    def summary(self):
        return {
            "statements": sum(function["statements"] for function in self.functions),
            "max_nesting": max(function["nesting"] for function in self.functions),
            "max_cyclomatic": max(function["cyclomatic"] for function in self.functions),
            "functions": self.functions,
            "loops": {"count": self.loops, "max_depth": self.max_loop_depth},
        }


def defaults(arguments):
    return [node for node in (*arguments.defaults, *arguments.kw_defaults) if node is not None]


def branches(node):
    """How many ways a node adds to those through its function."""
    if isinstance(node, (ast.If, *LOOPS, ast.IfExp, ast.ExceptHandler, ast.Assert)):
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.match_case):
        return 1
    return 0


FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
