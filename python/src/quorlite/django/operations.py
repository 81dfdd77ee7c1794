"""SQLite's SQL, as Django writes it."""

# mypy: disable-error-code="import-not-found, import-untyped, misc"
from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from django.db.backends.sqlite3 import operations as sqlite


class DatabaseOperations(sqlite.DatabaseOperations):
    def _quote_params_for_last_executed_query(self, params: Any) -> tuple[Any, ...]:
        """For the log: without asking a node, which may be what has just failed."""
        with closing(sqlite3.connect(":memory:")) as db:
            return tuple(db.execute("SELECT quote(?)", (each,)).fetchone()[0] for each in params)
