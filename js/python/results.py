"""Sends results: one thing in several ways, by media type."""

import json
import sys

import pyodide.ffi

import _faas_host


class Json(str):
    """A text that is JSON already."""


def hand_back(shown, *, is_main=False, artifact=None):
    """Send a result: text as it is, bytes, and anything else as JSON. What is too large is left out."""
    for media_type, content in shown.items():
        if content is None:
            continue
        try:
            represent(str(media_type), content)
        except Exception as error:
            sys.stderr.write(f"Not shown as {media_type}: {getattr(error, 'message', error)}\n")
    _faas_host.show(is_main, artifact)


def represent(media_type, content):
    if isinstance(content, (bytes, bytearray, memoryview)):
        _faas_host.represent_bytes(media_type, pyodide.ffi.to_js(content))
    elif isinstance(content, str):
        _faas_host.represent(media_type, content, isinstance(content, Json))
    else:
        _faas_host.represent(media_type, json.dumps(content, ensure_ascii=False, allow_nan=False), True)
