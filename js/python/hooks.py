"""Adapts packages to the sandbox, each right after it was imported."""

import dataclasses
import functools
import importlib.util
import os
import sys

import _faas_charts
import _faas_display
import _faas_figures
import _faas_results
from _faas_network import NO_NETWORK

# What FAAS_FONTS has (boot.mjs).
FONTS = "/usr/share/fonts"
# Fonts with Chinese, Japanese and Korean characters that programs ask for: they get one of FONTS.
EAST_ASIAN = """
AppleGothic|Arial Unicode MS|FangSong|Heiti SC|Heiti TC|Hiragino Sans|Hiragino Sans GB|KaiTi
MS Gothic|Malgun Gothic|Meiryo|Microsoft JhengHei|Microsoft YaHei|NanumGothic|Noto Sans CJK JP
Noto Sans CJK KR|Noto Sans CJK SC|PingFang SC|STHeiti|STSong|SimHei|SimSun|Songti SC
Source Han Sans CN|Source Han Sans SC|WenQuanYi Micro Hei|WenQuanYi Zen Hei|Yu Gothic
"""
# Where they begin in Unicode.
FIRST_EAST_ASIAN = 0x2E80


def on_import(name):
    """Have the decorated function called with the module of that name when it was imported."""

    def register(adapt):
        _adaptations[name] = adapt
        return adapt

    return register


class AfterImport:
    """Finds modules that are to be adapted, and has their loaders do it."""

    def find_spec(self, name, path=None, target=None):
        adapt = _adaptations.get(name)
        if adapt is None or name in _looked_for:
            return None
        _looked_for.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            _looked_for.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = AdaptingLoader(spec.loader, adapt)
        return spec


class AdaptingLoader:
    """A loader that has a module adapted. The standard library's modules have one loader together."""

    def __init__(self, loader, adapt):
        self._loader, self._adapt = loader, adapt

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._adapt(module)


# Names that are just looked for by the finders after ours.
_looked_for = set()
_adaptations = {
    "matplotlib.axes._axes": _faas_charts.adapt,
    "matplotlib.backend_bases": _faas_figures.adapt,
}
sys.meta_path.insert(0, AfterImport())


@on_import("tqdm.std")
def without_monitor(module):
    """tqdm's monitor is a thread; without one it warns each time."""
    module.tqdm.monitor_interval = 0


@on_import("rich.live")
def without_refreshing(module):
    """rich redraws in a thread; without one it draws when something changes, and at the end."""
    module._RefreshThread.start = lambda self: None
    module._RefreshThread.join = lambda self, timeout=None: None


@on_import("rich.progress")
def without_tracking(module):
    """rich counts in a thread; without one the count arrives at the end."""

    def join(self, timeout=None):
        self.progress.update(self.task_id, completed=self.completed, refresh=True)

    module._TrackThread.start = lambda self: None
    module._TrackThread.join = join


@on_import("IPython.core.display_functions")
def with_results(module):
    """IPython shows results to a kernel; here there is none."""

    def publish(data, metadata=None, **options):
        _faas_results.hand_back(data)

    module.display = _faas_display.display
    module.publish_display_data = publish


@on_import("plotly.io._renderers")
def with_data_of_figures(module):
    """plotly would open a browser; its figures are shown as their JSON."""

    def show(figure, *arguments, **options):
        from plotly.graph_objects import Figure

        _faas_display.display(Figure(figure) if isinstance(figure, dict) else figure)

    module.renderers.default = "plotly_mimetype"
    module.show = show


@on_import("altair")
def with_specifications(module):
    """altair would show HTML that loads scripts; its charts are shown as their JSON."""
    module.renderers.enable("mimetype")


@on_import("bokeh.io.showing")
def with_pages(module):
    """bokeh would open a browser; its plots are shown as a page and as JSON."""

    def show(plot, *arguments, **options):
        from bokeh.embed import file_html, json_item

        _faas_results.hand_back(
            {
                "text/plain": repr(plot),
                "text/html": file_html(plot),
                "application/vnd.bokeh.item+json": json_item(plot),
            }
        )

    module.show = show


@on_import("urllib3.contrib.emscripten.fetch")
def without_requests(module):
    """urllib3 sends requests by JavaScript, which the sandbox has no way to send any with."""

    def refuse(request):
        raise module._RequestError(NO_NETWORK, request=request)

    module.send_request = module.send_streaming_request = refuse


@on_import("httpx._transports.jsfetch")
def without_fetch(module):
    """httpx sends requests by JavaScript, too."""

    def refuse(self, request):
        # Not before: httpx is not imported whole yet.
        from httpx import ConnectError

        raise ConnectError(NO_NETWORK, request=request)

    async def refuse_later(self, request):
        refuse(self, request)

    module.JavascriptFetchTransport.handle_request = refuse
    module.AsyncJavascriptFetchTransport.handle_async_request = refuse_later


@on_import("getpass")
def without_terminal(module):
    """There is a /dev/tty, but nobody at it: passwords come from the standard input."""
    module.getpass = module.fallback_getpass


@on_import("matplotlib.pyplot")
def without_windows(module):
    """Backends that would open windows become the one that draws: show() hands the figures back."""
    from matplotlib.backends.registry import BackendFilter, backend_registry

    windows = {*backend_registry.list_builtin(BackendFilter.INTERACTIVE), "inline", "ipympl", "widget"}
    switch = module.switch_backend

    @functools.wraps(switch)
    def switch_backend(newbackend):
        is_window = isinstance(newbackend, str) and newbackend.lower().rpartition("_")[2] in windows
        switch("agg" if is_window else newbackend)

    module.switch_backend = switch_backend


@on_import("matplotlib._mathtext")
def with_fonts_in_formulas(module):
    """Texts with a formula in them, too, take our fonts for Chinese, Japanese and Korean."""
    if not os.path.isdir(FONTS):
        return
    get_glyph = module.UnicodeFonts._get_glyph

    def get_glyph_of_ours(self, fontname, font_class, sym):
        if len(sym) == 1 and ord(sym) >= FIRST_EAST_ASIAN:
            for file in font_files():
                font = module.get_font(file)
                if font.get_char_index(ord(sym)):
                    return font, ord(sym), False
        return get_glyph(self, fontname, font_class, sym)

    module.UnicodeFonts._get_glyph = get_glyph_of_ours


def font_files():
    return [os.path.join(FONTS, name) for name in sorted(os.listdir(FONTS))]


@on_import("matplotlib.font_manager")
def with_fonts(module):
    """matplotlib takes our fonts for characters that the chosen one lacks."""
    if not os.path.isdir(FONTS):
        return
    manager = module.fontManager
    files = font_files()
    for file in files:
        manager.addfont(file)
    ours = [entry for entry in manager.ttflist if entry.fname in files]
    known = {entry.name for entry in manager.ttflist}
    east_asian = next((one for one in ours if module.get_font(one.fname).get_char_index(ord("\u4e2d"))), None)
    if east_asian:
        for name in {*EAST_ASIAN.replace("\n", "|").split("|")} - known - {""}:
            manager.ttflist.append(dataclasses.replace(east_asian, name=name))
    find = type(manager)._find_fonts_by_props
    # Ours may lack what matplotlib's own has: a font for Chinese need not have digits.
    further = [*files, manager.findfont("DejaVu Sans")]

    def find_with_ours(self, prop):
        found = find(self, prop)
        return found + [file for file in further if file not in found]

    type(manager)._find_fonts_by_props = find_with_ours
