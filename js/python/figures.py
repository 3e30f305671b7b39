"""Figures of matplotlib: what show() shows is handed back there and then, the rest at the end."""

import io
import sys

import _faas_charts
import _faas_report
import _faas_results

_last = 0


def adapt(backend_bases):
    """Give the figures of all backends our show(): none of them has a window."""
    manager = backend_bases.FigureManagerBase
    manager.show = show_one
    manager.pyplot_show = classmethod(show_all)


def show_one(manager):
    """Figure.show()."""
    show(manager.canvas.figure)


def show_all(kind, *, block=None):
    """pyplot.show(): shows all figures, which ends them."""
    from matplotlib._pylab_helpers import Gcf

    for manager in Gcf.get_all_fig_managers():
        show_one(manager)


def is_figure(value):
    """Whether the value is a figure of matplotlib."""
    module = sys.modules.get("matplotlib.figure")
    return module is not None and isinstance(value, module.Figure)


def show(figure, is_main=False):
    """Hand back the figure, and end it."""
    from matplotlib._pylab_helpers import Gcf

    hand_back(figure, is_main=is_main)
    Gcf.destroy_fig(figure)


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


def close_open():
    """Close the figures that were handed back, for a program that goes on from here."""
    global _last
    _last = 0
    if helpers := sys.modules.get("matplotlib._pylab_helpers"):
        helpers.Gcf.destroy_all()


def hand_back(figure, number=0, is_main=False):
    """Hand back the figure as a picture and as data; one that cannot be drawn spoils no other."""
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
    shown = {"text/plain": repr(figure), "image/png": picture.getbuffer(), **data_of(figure)}
    _faas_results.hand_back(shown, is_main=is_main, artifact=f"figure-{_last}.png")


def data_of(figure):
    """The figure's data by its media type, or nothing."""
    try:
        chart = _faas_charts.chart_of(figure)
    except Exception:
        return {}  # A program may have changed what it reads.
    return {_faas_charts.MEDIA_TYPE: chart} if chart else {}


def draws_later(figure):
    """Whether something waits for the first drawing: an animation, which then shows its first frame."""
    canvas = getattr(figure, "canvas", None)
    return bool(canvas and canvas.callbacks.callbacks.get("draw_event"))
