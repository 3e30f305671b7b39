# display() shows a value as a notebook does: here HTML, a picture and data.
import html


class Bars:
    """Shown as HTML, by the method that IPython asks for it."""

    def __init__(self, values):
        self.values = values

    def _repr_html_(self):
        most = max(self.values.values())
        rows = "".join(
            f"<tr><td>{html.escape(name)}<td><div style='width: {240 * value / most:.0f}px; height: 1em; "
            f"background: #0f766e; border-radius: 3px'></div><td>{value:,}"
            for name, value in self.values.items()
        )
        return f"<table style='border-spacing: 8px 2px'><caption>Area in km²</caption>{rows}</table>"


class Square:
    """Shown as a picture."""

    def _repr_svg_(self):
        turns = "".join(
            f'<rect x="40" y="40" width="80" height="80" fill="none" stroke="#0f766e" '
            f'transform="rotate({angle} 80 80)"/>'
            for angle in range(0, 90, 6)
        )
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="160">{turns}</svg>'

    def __repr__(self):
        return "A square, turned by 6° again and again"


display(Bars({"Africa": 30_370_000, "Europe": 10_180_000, "Oceania": 8_526_000}))
display(Square())

# The last value is the return value. As JSON it folds.
{"areas": [{"name": name, "letters": list(name)} for name in ("Africa", "Europe", "Oceania")]}
