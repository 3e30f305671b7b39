"""Figures of matplotlib: what show() shows is handed back there and then, the rest at the end."""

import io
import sys

import pyodide.ffi

import _faas_host
import _faas_report

_last = 0


def adapt(backend_bases):
    """Give the figures of all backends our show(): none of them has a window."""
    manager = backend_bases.FigureManagerBase
    manager.show = show_one
    manager.pyplot_show = classmethod(show_all)


def show_one(manager):
    """Figure.show()."""
    from matplotlib._pylab_helpers import Gcf

    hand_back(manager.canvas.figure)
    Gcf.destroy(manager)


def show_all(kind, *, block=None):
    """pyplot.show(): shows all figures, which ends them."""
    from matplotlib._pylab_helpers import Gcf

    for manager in Gcf.get_all_fig_managers():
        show_one(manager)


def hand_back_open():
    """Hand back the figures that the program left open."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    try:
        for number in pyplot.get_fignums():
            hand_back(pyplot.figure(number), number)
    except BaseException as error:
        _faas_report.report(error)


def hand_back(figure, number=0):
    """Hand back a picture of the figure; a figure that cannot be drawn spoils no other."""
    global _last
    picture = io.BytesIO()
    try:
        if draws_later(figure):
            figure.canvas.draw()
        figure.savefig(picture, format="png")
    except Exception as error:
        _faas_report.report(error)
        return
    _last = max(_last + 1, number)
    name = f"figure-{_last}.png"
    try:
        _faas_host.put_file(name, "image/png", pyodide.ffi.to_js(picture.getbuffer()))
    except Exception as error:
        sys.stderr.write(f"Output file not handed back: {error}\n")


def draws_later(figure):
    """Whether something waits for the first drawing: an animation, which then shows its first frame."""
    canvas = getattr(figure, "canvas", None)
    return bool(canvas and canvas.callbacks.callbacks.get("draw_event"))
