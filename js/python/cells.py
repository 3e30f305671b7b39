"""Runs the cells of a notebook, one after the other, each after an error in another, too.

What a cell prints and shows goes the way of every program's output, with marks where the cell ends.
"""

import ast
import json
import sys
import types

import _faas_display
import _faas_figures
import _faas_host
import _faas_packages
import _faas_report
import _faas_results
import _faas_runner

# The representation that says which cell showed a result.
OF_CELL = "application/vnd.faas.cell+json"


def run(cells, mark):
    """Run them as one program. After each, `mark` is on both outputs, and its errors and a mark on stderr."""
    stdout, stderr = sys.stdout, sys.stderr
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    hand_back = _faas_results.hand_back
    number = 0

    def hand_back_of_cell(shown, **options):
        hand_back({**shown, OF_CELL: number}, **options)

    _faas_results.hand_back = hand_back_of_cell
    ask_for_imports(cells)
    for number, cell in enumerate(cells):
        errors = run_cell(cell, f"<cell {number + 1}>", module.__dict__)
        stdout.write(mark)
        stderr.write(f"{mark}{json.dumps(errors)}{mark}")


def ask_for_imports(cells):
    statements = []
    for cell in cells:
        if "import" in cell:
            try:
                statements += compile(cell, "<cell>", "exec", _faas_runner.TREE, True).body
            except (SyntaxError, ValueError, MemoryError, RecursionError):
                pass  # Running it says so.
    _faas_packages.ask_for_imports(ast.Module(statements, []))


def run_cell(cell, file_name, names):
    """Run one and show what it ends in; its errors."""
    try:
        value = _faas_runner.execute(cell, file_name, names)
        if value is not None:
            _faas_display.show(value)
        if "matplotlib.pyplot" in sys.modules:
            _faas_figures.show_all(None)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BaseException as error:
        if _faas_host.stop_requested():
            raise
        sys.stderr.writelines(_faas_report.hints(error))
        return [
            {
                "ename": type(error).__name__,
                "evalue": str(error),
                "traceback": "".join(_faas_report.lines_of(error)).splitlines(),
            }
        ]
    return []
