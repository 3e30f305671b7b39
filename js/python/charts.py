"""Figures of matplotlib as data, for the plain kinds: lines, points, bars, pies, boxes.

The fields are those of E2B's clients (ChartTypes of the package e2b-code-interpreter), whose kernels know
the media type as `e2b/chart`.
"""

import datetime
import math
import re
import weakref

MEDIA_TYPE = "e2b/chart"
# Points of a chart, all series together; one with more is shown as a picture only.
MOST_POINTS = 20_000
UNIT = re.compile(r"\s\((.*?)\)|\[(.*?)\]")

# What boxplot() drew into axes: statistics that its lines would show only after rounding.
_boxes = weakref.WeakKeyDictionary()


def adapt(axes):
    """Have axes remember the statistics of their boxes."""
    bxp = axes.Axes.bxp

    def remember(self, bxpstats, *arguments, **options):
        drawn = bxp(self, bxpstats, *arguments, **options)
        _boxes.setdefault(self, []).extend(bxpstats)
        return drawn

    remember.__wrapped__, remember.__doc__ = bxp, bxp.__doc__
    axes.Axes.bxp = remember


def chart_of(figure):
    """The figure's data, or None if nothing is drawn in it."""
    axes = [one for one in figure.axes if one.has_data()]
    if not axes:
        return None
    charts = [chart_of_axes(one) for one in axes]
    if sum(map(points_in, charts)) > MOST_POINTS:
        return None
    if len(charts) == 1:
        return charts[0]
    return {"type": "superchart", "title": figure.get_suptitle() or None, "elements": charts}


def points_in(chart):
    return sum(len(element.get("points", ())) or 1 for element in chart["elements"])


def chart_of_axes(axes):
    """The data of one pair of axes."""
    title = axes.get_title() or None
    kind, elements = drawn_in(axes)
    chart = {"type": kind, "title": title, "elements": elements}
    if kind in ("pie", "unknown"):
        return chart
    chart |= labels(axes)
    if kind in ("line", "scatter"):
        chart |= scale(axes.xaxis, "x") | scale(axes.yaxis, "y")
    elif elements and is_horizontal(axes):
        # As if it stood upright.
        for one, other in (("x_label", "y_label"), ("x_unit", "y_unit")):
            chart[one], chart[other] = chart[other], chart[one]
    return chart


def drawn_in(axes):
    """Which kind of chart it is, and its elements."""
    from matplotlib.collections import PathCollection
    from matplotlib.container import BarContainer
    from matplotlib.patches import Wedge

    if stats := _boxes.get(axes):
        return "box_and_whisker", [box(one, number) for number, one in enumerate(stats, 1)]
    lines = [line for line in axes.lines if is_series(axes, line)]
    points = [one for one in axes.collections if isinstance(one, PathCollection)]
    bars = [one for one in axes.containers if isinstance(one, BarContainer)]
    wedges = [patch for patch in axes.patches if isinstance(patch, Wedge)]
    drawn = [bool(lines), bool(points), bool(bars), bool(wedges)]
    if sum(drawn) != 1:
        return "unknown", []
    if lines:
        return "line", [series(line, number) for number, line in enumerate(lines)]
    if points:
        return "scatter", [cloud(one, number, axes) for number, one in enumerate(points)]
    if bars:
        return "bar", [bar for number, group in enumerate(bars) for bar in bars_of(axes, group, number)]
    return "pie", [slice_of(wedge) for wedge in wedges]


def is_series(axes, line):
    """Whether a line is data, and not one across the axes (axhline, axvline)."""
    return line.get_transform() == axes.transData


def series(line, number):
    xs, ys = line.get_xdata(orig=True), line.get_ydata(orig=True)
    return {"label": label_of(line, f"Line {number}"), "points": pairs(xs, ys)}


def cloud(points, number, axes):
    offsets = points.get_offsets()
    xs, ys = (numbers(axis, offsets[:, at]) for at, axis in enumerate((axes.xaxis, axes.yaxis)))
    return {"label": label_of(points, f"Points {number}"), "points": pairs(xs, ys)}


def numbers(axis, values):
    """Values as they were given to the axis: dates, which it keeps as numbers, become dates again."""
    if not is_of_dates(axis):
        return values
    from matplotlib.dates import num2date

    return [num2date(value).replace(tzinfo=None) for value in values]


def bars_of(axes, group, number):
    """The bars of a group; those of one drawn sideways are named by the other axis."""
    horizontal = group.orientation == "horizontal"
    axis = axes.yaxis if horizontal else axes.xaxis
    names = dict(zip(map(float, axis.get_ticklocs()), texts(axis), strict=False))
    for bar in group.patches:
        middle = bar.get_y() + bar.get_height() / 2 if horizontal else bar.get_x() + bar.get_width() / 2
        name = next(
            (text for at, text in names.items() if text and math.isclose(at, middle, abs_tol=1e-9)), None
        )
        value = bar.get_width() if horizontal else bar.get_height()
        yield {
            "label": name if name is not None else f"{middle:.10g}",
            "group": label_of(group, f"Group {number}"),
            "value": plain(value),
        }


def is_horizontal(axes):
    return any(getattr(one, "orientation", None) == "horizontal" for one in axes.containers)


def slice_of(wedge):
    return {
        "label": wedge.get_label(),
        "angle": round(abs(float(wedge.theta2) - float(wedge.theta1)), 6),
        "radius": plain(wedge.r),
    }


def box(stats, number):
    return {
        "label": str(stats.get("label") or number),
        "min": plain(stats["whislo"]),
        "first_quartile": plain(stats["q1"]),
        "median": plain(stats["med"]),
        "third_quartile": plain(stats["q3"]),
        "max": plain(stats["whishi"]),
        "outliers": [plain(value) for value in stats.get("fliers", ())],
    }


def labels(axes):
    chart = {}
    for side, text in (("x", axes.get_xlabel()), ("y", axes.get_ylabel())):
        unit = UNIT.search(text)
        chart[f"{side}_label"] = text or None
        chart[f"{side}_unit"] = (unit[1] or unit[2]) if unit else None
    return chart


def scale(axis, side):
    """The ticks of an axis, and what they stand for."""
    places, words = axis.get_ticklocs(), texts(axis)
    kind = axis.get_scale()
    if is_of_dates(axis):
        kind = "datetime"
    elif kind == "linear" and is_of_categories(axis):
        kind = "categorical"
    return {
        f"{side}_ticks": [plain(value) for value in numbers(axis, places)],
        f"{side}_tick_labels": words,
        f"{side}_scale": kind,
    }


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def is_of_dates(axis):
    return "Date" in type(axis.get_converter()).__name__


def is_of_categories(axis):
    return "Category" in type(axis.get_converter()).__name__


def label_of(drawn, otherwise):
    """What a legend would say; matplotlib's own names begin with an underscore."""
    label = str(drawn.get_label())
    return otherwise if label.startswith("_") else label


def pairs(xs, ys):
    return [[plain(x), plain(y)] for x, y in zip(xs, ys, strict=False)]


def plain(value):
    """A number or a text of what JSON has. What is not a number, such as NaN, is None."""
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, str):
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind == "M":
        return str(value.astype("datetime64[s]"))
    if isinstance(value, int) or kind in ("i", "u"):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else None
