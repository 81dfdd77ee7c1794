"""SQLAlchemy's own plugin for pytest, by which its suite runs against other people's dialects."""

import pytest
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.testing import config, provision

pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402,F401,F403


@provision.temp_table_keyword_args.for_db("quorlite")
def temp_table_keyword_args(cfg, eng):
    return {"prefixes": ["TEMPORARY"]}


@provision.upsert.for_db("quorlite")
def upsert(
    cfg, table, returning, *, set_lambda=None, sort_by_parameter_order=False, index_elements=None
):
    statement = insert(table)
    if set_lambda is None:
        statement = statement.on_conflict_do_nothing()
    else:
        statement = statement.on_conflict_do_update(set_=set_lambda(statement.excluded))
    return statement.returning(*returning, sort_by_parameter_order=sort_by_parameter_order)


@pytest.fixture(scope="session", autouse=True)
def schema():
    """Some tests use a schema without asking whether there are any: SQLite's "main" is one."""
    for each in config.Config.all_configs():
        each.test_schema = "main"
    config.test_schema = "main"
