"""What Django may expect of a node."""

# mypy: disable-error-code="import-not-found, import-untyped, misc"
from __future__ import annotations

from django.db.backends.sqlite3 import features as sqlite


class DatabaseFeatures(sqlite.DatabaseFeatures):
    # Of the node's SQLite, whatever this Python's own is.
    minimum_database_version = (3, 40)
    can_alter_table_drop_column = True
    can_return_columns_from_insert = True
    can_return_rows_from_bulk_insert = True
    # REGEXP is RE2's, whose time is linear.
    supports_regex_backreferencing = False
