"""Tables of pandas as data: a table schema and its rows, as pandas' own orient="table" makes them."""

import sys

import _faas_results
from _faas_values import told_apart

# "Tabular data resource" of the Frictionless standards, which notebooks know under this name.
MEDIA_TYPE = "application/vnd.dataresource+json"
# The first so many rows; `row_count` says how many there are.
MOST_ROWS = 1000


def data_of(value):
    """The data of a table or a column by its media type, or nothing."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series)):
        return {}
    try:
        rows = value.head(MOST_ROWS)
        if isinstance(rows, pandas.DataFrame):
            rows = told_apart(rows)
        text = rows.to_json(orient="table", date_unit="ms", default_handler=str)
    except Exception:
        return {}  # Such as columns of several levels, which a table schema cannot express.
    return {MEDIA_TYPE: _faas_results.Json(f'{text[:-1]},"row_count":{len(value)}}}')}
