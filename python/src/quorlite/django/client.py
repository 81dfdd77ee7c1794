"""``manage.py dbshell``: Quorlite's own shell."""

# mypy: disable-error-code="import-not-found, import-untyped, misc"
from __future__ import annotations

from typing import Any

from django.db.backends.base.client import BaseDatabaseClient


class DatabaseClient(BaseDatabaseClient):
    executable_name = "quorlite"

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: list[str]
    ) -> tuple[list[str], None]:
        cluster, name = settings_dict["HOST"], settings_dict["NAME"]
        return [cls.executable_name, "--cluster", cluster, name, *parameters], None
