"""What Django loads for ``"ENGINE": "quorlite.django"``: its backend for SQLite, on connections of this package.

- ``HOST`` is what `quorlite.connect()` takes, without the database; ``NAME`` is that. ``OPTIONS`` are
  further arguments of it, and ``transaction_mode``, as of SQLite.
- A transaction begins with IMMEDIATE, and so gets the write lock first, unless ``transaction_mode`` says
  something else: DEFERRED ones run side by side, but one that reads and then writes may have to be done
  again as a whole.
- Values come as nodes give them, and fields make Python's of them; a cursor of ``connection.cursor()``
  gives dates and times as such, and what a column of ``bool`` holds as a number.
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call, untyped-decorator, override"
from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, Optional

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.sqlite3 import base as sqlite
from django.utils.asyncio import async_unsafe

import quorlite as Database
from quorlite.django.client import DatabaseClient
from quorlite.django.creation import DatabaseCreation
from quorlite.django.features import DatabaseFeatures
from quorlite.django.operations import DatabaseOperations


class DatabaseWrapper(sqlite.DatabaseWrapper):
    display_name = "Quorlite"
    Database = Database
    client_class = DatabaseClient
    creation_class = DatabaseCreation
    features_class = DatabaseFeatures
    ops_class = DatabaseOperations

    def get_connection_params(self) -> dict[str, Any]:
        settings = self.settings_dict
        for name in ("HOST", "NAME"):
            if not settings[name]:
                raise ImproperlyConfigured(f"quorlite.django needs {name} in DATABASES")
        options = dict(settings["OPTIONS"])
        mode = options.pop("transaction_mode", None) or "IMMEDIATE"
        if mode.upper() not in self.transaction_modes:
            known = ", ".join(map(repr, sorted(self.transaction_modes)))
            raise ImproperlyConfigured(
                f"settings.DATABASES[{self.alias!r}]['OPTIONS']['transaction_mode'] is improperly "
                f"configured to {mode!r}. Use one of {known}, or None."
            )
        self.transaction_mode = mode.upper()
        return {
            "target": settings["HOST"],
            "database": settings["NAME"],
            "detect_types": Database.PARSE_DECLTYPES,
            **options,
        }

    def get_database_version(self) -> tuple[int, ...]:
        with self.temporary_connection() as cursor:
            (version,) = cursor.execute("SELECT sqlite_version()").fetchone()
        return tuple(map(int, version.split(".")))

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> Database.Connection:
        return Database.connect(**conn_params)

    def create_cursor(self, name: Optional[str] = None) -> Cursor:
        made: Cursor = self.connection.cursor(factory=Cursor)
        return made

    def _set_autocommit(self, autocommit: bool) -> None:
        with self.wrap_database_errors:
            self.connection.isolation_level = None if autocommit else self.transaction_mode

    def is_usable(self) -> bool:
        try:
            self.connection.ping()
        except Database.Error:
            return False
        return True

    def is_in_memory_db(self) -> bool:
        return False


class Cursor(Database.Cursor):
    """Takes Django's styles of parameters, ``%s`` and ``%(name)s``."""

    convert_query = sqlite.SQLiteCursorWrapper.convert_query

    def execute(self, query: str, params: Any = None, **options: Any) -> Cursor:
        if params is None:
            return super().execute(query, **options)
        names = list(params) if hasattr(params, "keys") else None
        return super().execute(self.convert_query(query, param_names=names), params, **options)

    def executemany(self, query: str, param_list: Iterable[Any]) -> Cursor:
        sets = iter(param_list)
        first = next(sets, None)
        if first is None:
            return self
        names = list(first) if hasattr(first, "keys") else None
        query = self.convert_query(query, param_names=names)
        return super().executemany(query, chain([first], sets))
