"""Adapts packages to the sandbox, each right after it was imported."""

import importlib.util
import sys

import _faas_figures

NO_NETWORK = "the sandbox has no network"


def on_import(name):
    """Have the decorated function called with the module of that name when it was imported."""

    def register(adapt):
        _adaptations[name] = adapt
        return adapt

    return register


class AfterImport:
    """Finds modules that are to be adapted, and has their loaders do it."""

    def find_spec(self, name, path=None, target=None):
        adapt = _adaptations.pop(name, None)
        if adapt is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            _adaptations[name] = adapt
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            adapt(module)

        spec.loader.exec_module = exec_module
        return spec


_adaptations = {"matplotlib.backend_bases": _faas_figures.adapt}
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
