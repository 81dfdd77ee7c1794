"""Databases for tests: on the same cluster, named test_NAME."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call"
from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import quorlite
from django.db.backends.base.creation import BaseDatabaseCreation


class DatabaseCreation(BaseDatabaseCreation):
    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:
        name: str = self._get_test_db_name()
        if keepdb:
            return name
        with closing(self._connect(name)) as db:
            if not autoclobber and db.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._confirm(name)
        self._destroy_test_db(name, verbosity)
        return name

    def _confirm(self, name: str) -> None:
        answer = input(f"There is a database {name!r}. Type 'yes' to delete it: ")
        if answer != "yes":
            raise SystemExit("Tests cancelled.")

    def _clone_test_db(self, suffix: str, verbosity: int, keepdb: bool = False) -> None:
        name = self.get_test_db_clone_settings(suffix)["NAME"]
        if keepdb:
            return
        self._destroy_test_db(name, verbosity)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            with closing(self._connect(self.connection.settings_dict["NAME"])) as source:
                source.backup(copy)
            with closing(self._connect(name)) as clone:
                clone.import_file(copy)

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        with closing(self._connect(test_database_name)) as db, db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("PRAGMA delete_database")

    def _connect(self, name: str) -> Any:
        params = {**self.connection.get_connection_params(), "database": name}
        return quorlite.connect(**params)
