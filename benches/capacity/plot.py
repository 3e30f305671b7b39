"""Plots as SVG: lines over one axis, in panels one above the other. The same data give the same bytes."""

import dataclasses
import html
import math

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 720, 150, 50, 20, 30, 72
# Readable on white and on black.
COLOURS = ["#3b82c4", "#d9822b", "#3f9c5a", "#b556b5"]
STYLE = """
text { font: 12px sans-serif; fill: #333 }
.title { font-size: 14px; font-weight: bold }
.axis { stroke: #888; fill: none }
.grid { stroke: #888; stroke-opacity: .25; fill: none }
.line { fill: none; stroke-width: 1.6 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } }
"""


@dataclasses.dataclass
class Panel:
    title: str
    # Names, and points in the order of x.
    lines: dict[str, list[tuple[float, float]]]
    highest: float | None = None


def ticks(highest, most=5):
    """Round numbers from 0 to a little over the highest."""
    rough = max(highest, 1e-9) / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def text(x, y, content, anchor="start", kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{kind}>{html.escape(content)}</text>'


def path(kind, points, more=""):
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}"{more} points="{places}"/>'


def panel_lines(panel, top, colours, x_of, x_ticks):
    bottom = top + PANEL
    highest = panel.highest or max(y for line in panel.lines.values() for _, y in line)
    y_ticks = ticks(highest)

    def y_of(value):
        return bottom - min(value, y_ticks[-1]) / y_ticks[-1] * PANEL

    yield text(LEFT, top - 26, panel.title)
    for value in y_ticks:
        yield path("grid", [(LEFT, y_of(value)), (WIDTH - RIGHT, y_of(value))])
        yield text(LEFT - 8, y_of(value) + 4, f"{value:g}", "end")
    for value in x_ticks:
        yield text(x_of(value), bottom + 16, f"{value:g}", "middle")
    yield path("axis", [(LEFT, top), (LEFT, bottom), (WIDTH - RIGHT, bottom)])
    at = LEFT
    for name, points in panel.lines.items():
        colour = f' stroke="{colours[name]}"'
        yield path("line", [(x_of(x), y_of(y)) for x, y in points], colour)
        yield path("line", [(at, top - 12), (at + 16, top - 12)], colour)
        yield text(at + 22, top - 8, name)
        at += 7 * len(name) + 44


def figure(title, x_title, panels):
    """Panels over the same axis; a line has the colour that one of its name has in another panel."""
    names = dict.fromkeys(name for panel in panels for name in panel.lines)
    colours = dict(zip(names, COLOURS, strict=False))
    places = [x for panel in panels for line in panel.lines.values() for x, _ in line]
    first, last = min(places), max(places)
    x_ticks = [value for value in ticks(last, 8) if first <= value <= last * 1.001]

    def x_of(value):
        return LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    height = TOP + len(panels) * (PANEL + GAP) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{html.escape(title)}</title>",
        f"<style>{STYLE}</style>",
        text(LEFT, 18, title, kind="title"),
    ]
    for number, panel in enumerate(panels):
        parts += panel_lines(panel, TOP + 30 + number * (PANEL + GAP), colours, x_of, x_ticks)
    parts += [text((LEFT + WIDTH - RIGHT) / 2, height - 6, x_title, "middle"), "</svg>"]
    return "\n".join(parts) + "\n"
