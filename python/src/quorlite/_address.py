"""Where a database is: the texts that `connect()` takes."""

from __future__ import annotations

import dataclasses
import os
from typing import Optional, Union
from urllib.parse import parse_qsl, unquote

from quorlite._errors import ProgrammingError

_SCHEMES = ("quorlite://", "dqlite://")
_STORES = (".yaml", ".yml")


@dataclasses.dataclass(frozen=True)
class Place:
    """Nodes, by their addresses or a file that lists them, and a database's name if one is given."""

    addresses: tuple[str, ...] = ()
    store: Optional[str] = None
    database: Optional[str] = None
    options: tuple[tuple[str, str], ...] = ()


def parse(target: Union[str, os.PathLike[str]]) -> Place:
    """``host:port,host:port/name``, the same as a URL with options, or a node store's path."""
    if isinstance(target, os.PathLike):
        return Place(store=os.fspath(target))
    if not isinstance(target, str):
        raise ProgrammingError(f"a database is named by a str or a path, not {target!r}")
    options: tuple[tuple[str, str], ...] = ()
    text = target
    for scheme in _SCHEMES:
        if target.startswith(scheme):
            text, _, query = target[len(scheme) :].partition("?")
            options = tuple(parse_qsl(query, keep_blank_values=True))
            text = unquote(text)
    for suffix in _STORES:
        path, found, rest = text.partition(suffix)
        if found and (not rest or rest.startswith("/")):
            return Place(store=path + found, database=rest[1:] or None, options=options)
    nodes, _, database = text.partition("/")
    addresses = tuple(node.strip() for node in nodes.split(",") if node.strip())
    if not addresses:
        raise ProgrammingError(f"{target!r} names no node: write host:port,host:port/database")
    for address in addresses:
        if "@" in address[1:]:
            shown = address.rpartition("@")[2]  # not the password
            raise ProgrammingError(f"there are no users before {shown!r}: write host:port")
        host, colon, port = address.rpartition(":")
        if not address.startswith("@") and (not colon or not host or not port.isdigit()):
            raise ProgrammingError(f"{address!r} is no address: write host:port")
    return Place(addresses=addresses, database=database or None, options=options)
