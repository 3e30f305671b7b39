"""Results as a notebook shows them: what display() is given, and the value that a program ends with.

The names of the methods, and which media type each is for, are IPython's (IPython.core.formatters).
"""

import builtins

import _faas_figures
import _faas_host
import _faas_report
import _faas_results
import _faas_tables

# In the order in which IPython asks.
METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_pdf_": "application/pdf",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
    "_repr_javascript_": "application/javascript",
}
# Types that have none of these methods.
PLAIN = (str, int, float, bool, complex, bytes, list, tuple, dict, set, frozenset, range)
# The media type of an error that ended a program (crates/faas-protocol/src/job.rs).
SHOWN_ERROR = "application/vnd.faas.error+json"
# Longest text of a value, in characters. Its whole text is the return value.
MOST_TEXT = 100_000


def display(*objects, raw=False, **options):
    """Show objects with the answer. With `raw`, dictionaries are their representations by media type."""
    for value in objects:
        if raw and isinstance(value, dict):
            _faas_results.hand_back(value)
        else:
            show(value)


def show(value, is_main=False):
    """Show a value; with `is_main` as the one that the program ended with."""
    if _faas_figures.is_figure(value):
        _faas_figures.show(value, is_main=is_main)
    else:
        _faas_results.hand_back(representations(value), is_main=is_main)


def show_error(error):
    """Show what ended the program. False if it has to be printed."""
    if _faas_host.stop_requested():
        return False
    try:
        lines = [*_faas_report.lines_of(error), *_faas_report.hints(error)]
        shown = {"name": type(error).__name__, "value": str(error), "traceback": "".join(lines)}
        _faas_results.represent(SHOWN_ERROR, shown)
        _faas_host.show(False, None)
    except BaseException:
        return False
    return True


def representations(value):
    """What to show of a value, by media type."""
    shown = {"text/plain": text_of(value)}
    if type(value) in PLAIN or isinstance(value, type):
        return shown
    bundle = call(value, "_repr_mimebundle_", include=None, exclude=None)
    if isinstance(bundle, dict):
        shown.update(bundle)
    for method, media_type in METHODS.items():
        if media_type not in shown and (content := call(value, method)) is not None:
            shown[media_type] = content
    shown.update(_faas_tables.data_of(value))
    return shown


def text_of(value):
    try:
        text = repr(value)
    except Exception as error:
        _faas_report.report(error)
        return None
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"


def call(value, method, **options):
    """What the method of that name returns, or None. An error in it is reported and ends nothing else."""
    # Of the type: some objects have every attribute that they are asked for.
    if not callable(getattr(type(value), method, None)):
        return None
    try:
        content = getattr(value, method)(**options)
    except Exception as error:
        _faas_report.report(error)
        return None
    # The second of two is metadata, which nobody here would read.
    return content[0] if isinstance(content, tuple) and content else content


builtins.display = display
