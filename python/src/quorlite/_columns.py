"""Rows as columns: tables of pyarrow, arrays of NumPy. Neither is needed until it is asked for.

The rules, the same for both:

- Integers are int64, reals float64, texts strings, blobs binary; as the values are, whatever the
  table declares. Converters and `row_factory` have no part in it.
- An integer among reals becomes one, if it can exactly (up to 2**53).
- Whatever else is mixed, and a text that is not UTF-8, is a `DataError` that names the column, the
  row and the remedy. The rows that were not fetched are dropped then.
- ``types`` gives columns their types beforehand: ``{"price": "float64"}``; of ``int64``,
  ``float64``, ``string`` and ``binary``. A value that does not fit is an error.
- NULL is null in Arrow. In NumPy it is NaN in float64, masked in int64 (a `numpy.ma.MaskedArray`
  if there is any) and None in texts and blobs, whose arrays are of objects.
- A column of nothing but NULL has Arrow's type null, and is float64 in NumPy.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Optional

from quorlite import _core
from quorlite._errors import ProgrammingError

Types = Optional[Mapping[str, str]]

#: More rows than any result has.
ALL = 2**63 - 1


def require(package: str, extra: str) -> Any:
    """The package, or an ImportError that says how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"this needs the package {package}: pip install 'quorlite[{extra}]'", name=package
        ) from error


def make_columns(names: Optional[tuple[str, ...]], types: Types) -> _core.Columns:
    if names is None:
        raise ProgrammingError("there are no columns: the last statement was none that gives rows")
    return _core.Columns(names, dict(types or {}))


def check_rows_max(rows_max: int) -> None:
    if rows_max < 1:
        raise ProgrammingError("a batch has room for one row at least")


def arrow_table(pyarrow: Any, columns: _core.Columns) -> Any:
    return pyarrow.Table.from_batches([pyarrow.record_batch(columns)])


def numpy_arrays(columns: _core.Columns) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for name, array in columns.to_numpy():
        if name in arrays:
            raise ProgrammingError(f"two columns are named {name!r}: rename one with AS")
        arrays[name] = array
    return arrays
