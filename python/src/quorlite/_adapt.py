"""Adapters and converters: between Python's types and the five of SQL.

A value that SQL does not have is adapted when it is bound: by an adapter that was registered for its
type, by its method ``__conform__``, or as `datetime`, `date`, `time`, `Decimal`, `UUID` and `Enum`
are here. Back again it goes only where a connection was asked to (`detect_types`), as in `sqlite3`.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import time
import uuid
from typing import Any, Callable, Optional, Union

from quorlite._errors import DataError

PARSE_DECLTYPES = 1
PARSE_COLNAMES = 2


class PrepareProtocol:
    """What ``__conform__`` is asked for, as in `sqlite3`."""


def _adapt_datetime(value: datetime.datetime) -> str:
    return value.isoformat(" ")


_adapters: dict[type, Callable[[Any], Any]] = {
    datetime.datetime: _adapt_datetime,
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    decimal.Decimal: str,
    uuid.UUID: str,
}


def register_adapter(kind: type, adapter: Callable[[Any], Any]) -> None:
    """Values of exactly this type are bound as what `adapter` makes of them."""
    _adapters[kind] = adapter


def adapt(value: Any) -> Any:
    """What is bound for a value that SQL does not have; the value itself if nothing is known."""
    adapter = _adapters.get(type(value))
    if adapter is not None:
        return adapter(value)
    conform = getattr(value, "__conform__", None)
    if conform is not None:
        adapted = conform(PrepareProtocol)
        if adapted is not None:
            return adapted
    if isinstance(value, enum.Enum) and not isinstance(value, (int, str, float, bytes)):
        return value.value
    for base in type(value).__mro__[1:]:
        if base in _adapters:
            return _adapters[base](value)
    return value


def parse_time(value: Union[str, int]) -> Union[datetime.datetime, datetime.date, str]:
    """Of a column that is declared as a time: seconds since 1970 (UTC), or ISO 8601.

    A text of ten characters is a date. An empty one is no time, and not NULL either.
    """
    try:
        if isinstance(value, int):
            return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
        if not value:
            return value
        if len(value) == 10:
            return datetime.date.fromisoformat(value)
        return parse_datetime(value)
    except (ValueError, OverflowError, OSError) as error:
        raise DataError(
            f"{value!r} is no time, though its column is declared as one: to read it connect without "
            "PARSE_DECLTYPES"
        ) from error


def parse_datetime(text: str) -> datetime.datetime:
    # Before Python 3.11 fromisoformat() knows neither 'Z' nor fractions of other than 3 or 6 digits.
    day, clock = text[:11], text[11:]
    zone = ""
    if clock.endswith(("Z", "z")):
        clock, zone = clock[:-1], "+00:00"
    else:
        for at in range(max(len(clock) - 9, 0), len(clock)):
            if clock[at] in "+-":
                clock, zone = clock[:at], clock[at:]
                break
    if "." in clock:
        whole, fraction = clock.split(".", 1)
        clock = whole + "." + (fraction + "000000")[:6]
    return datetime.datetime.fromisoformat(day + clock + zone)


#: By their names in capitals.
converters: dict[str, Callable[[bytes], Any]] = {
    "DATE": lambda raw: datetime.date.fromisoformat(raw.decode()),
    "TIMESTAMP": lambda raw: parse_datetime(raw.decode()),
    "DATETIME": lambda raw: parse_datetime(raw.decode()),
    "TIME": lambda raw: datetime.time.fromisoformat(raw.decode()),
    "DECIMAL": lambda raw: decimal.Decimal(raw.decode()),
    "UUID": lambda raw: uuid.UUID(raw.decode()),
    "BOOLEAN": lambda raw: raw not in (b"0", b""),
    "BOOL": lambda raw: raw not in (b"0", b""),
}


def register_converter(name: str, converter: Callable[[bytes], Any]) -> None:
    """Columns named ``"x [name]"`` are read by it, with `PARSE_COLNAMES`.

    `PARSE_DECLTYPES` calls no converter: of the types that columns were declared with, nodes tell
    only whether it is a time or a boolean.
    """
    converters[name.upper()] = converter


def converter_of(column: str) -> Optional[Callable[[bytes], Any]]:
    """The converter for a column named like ``created [timestamp]``."""
    opening = column.rfind(" [")
    if opening < 0 or not column.endswith("]"):
        return None
    words = column[opening + 2 : -1].split()
    return converters.get(words[0].upper()) if words else None


# ---- PEP 249's constructors and type objects ----

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = memoryview


def DateFromTicks(ticks: float) -> datetime.date:
    return datetime.date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    return datetime.time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    return datetime.datetime(*time.localtime(ticks)[:6])


class TypeObject:
    """One of PEP 249's: equal to each type code that it stands for."""

    def __init__(self, *types: type) -> None:
        self._types = types

    def __eq__(self, other: object) -> bool:
        return other in self._types or other is self

    def __hash__(self) -> int:
        return hash(self._types)


STRING = TypeObject(str)
BINARY = TypeObject(bytes, memoryview)
NUMBER = TypeObject(int, float, bool)
DATETIME = TypeObject(datetime.datetime, datetime.date, datetime.time)
ROWID = TypeObject(int)
