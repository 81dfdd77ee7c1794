"""What rows become by ``connection.row_factory``: a Row, an object of a dataclass, or what a function makes."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator, Sequence
from typing import Any, Callable, Protocol, Union, overload

# Names of SQL are equal whatever the case of ASCII's letters, and of no others.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Described(Protocol):
    """A cursor, as far as rows care."""

    @property
    def description(self) -> Any: ...


def made_by(factory: Callable[..., Any], cursor: Described) -> Callable[[tuple[Any, ...]], Any]:
    """What makes the cursor's rows, by a function of cursor and row, or by the names of a dataclass's fields."""
    if isinstance(factory, type) and dataclasses.is_dataclass(factory):
        names = [column[0] for column in cursor.description or ()]
        return lambda row: factory(**dict(zip(names, row)))
    return lambda row: factory(cursor, row)


class Row:
    """A row by index, slice and name; names are compared without regard to case."""

    __slots__ = ("_names", "_values")

    def __init__(self, cursor: Described, values: tuple[Any, ...]) -> None:
        description = cursor.description
        self._names: tuple[str, ...] = tuple(column[0] for column in description or ())
        self._values = values

    def keys(self) -> list[str]:
        return list(self._names)

    @overload
    def __getitem__(self, key: Union[int, str]) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, key: Union[int, str, slice]) -> Any:
        if isinstance(key, str):
            wanted = key.translate(_LOWER)
            for name, value in zip(self._names, self._values):
                if name.translate(_LOWER) == wanted:
                    return value
            raise IndexError(f"no column is named {key!r}")
        try:
            return self._values[key]
        except TypeError as error:
            raise IndexError("the index of a row is a number, a slice or a name") from error

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Row):
            return NotImplemented
        return self._names == other._names and self._values == other._values

    def __hash__(self) -> int:
        return hash((self._names, self._values))

    def __repr__(self) -> str:
        pairs = ", ".join(f"{name}={value!r}" for name, value in zip(self._names, self._values))
        return f"<quorlite.Row {pairs}>"


Sequence.register(Row)
