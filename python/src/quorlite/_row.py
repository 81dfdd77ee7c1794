"""Row: what ``connection.row_factory = quorlite.Row`` gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Union, overload


class Described(Protocol):
    """A cursor, as far as rows care."""

    @property
    def description(self) -> Any: ...


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
            wanted = key.lower()
            for name, value in zip(self._names, self._values):
                if name.lower() == wanted:
                    return value
            raise IndexError(f"no column is named {key!r}")
        return self._values[key]

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
