"""Alembic: a schema is changed by migrations, written by hand and generated, up and down again."""

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine

config = context.config
engine = create_engine(config.get_main_option("url"))
with engine.connect() as connection:
    context.configure(connection=connection, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""

FIRST = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "1", None

def upgrade():
    op.create_table("person", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("name", sa.String(40), nullable=False))
    op.bulk_insert(sa.table("person", sa.column("name")), [{"name": "Ada"}, {"name": "Grace"}])

def downgrade():
    op.drop_table("person")
"""

SECOND = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "2", "1"

def upgrade():
    with op.batch_alter_table("person") as table:
        table.add_column(sa.Column("age", sa.Integer, server_default="0", nullable=False))
        table.alter_column("name", new_column_name="full_name")
    with op.batch_alter_table("person") as table:
        table.create_unique_constraint("one_of_each", ["full_name"])

def downgrade():
    with op.batch_alter_table("person") as table:
        table.drop_constraint("one_of_each", type_="unique")
    with op.batch_alter_table("person") as table:
        table.alter_column("full_name", new_column_name="name")
        table.drop_column("age")
"""

FAILING = """
from alembic import op

revision, down_revision = "3", "2"

def upgrade():
    op.execute("CREATE TABLE half(x)")
    op.execute("INSERT INTO nowhere VALUES(1)")
"""


def make_scripts(folder, target):
    versions = folder / "versions"
    versions.mkdir()
    (folder / "env.py").write_text(ENVIRONMENT)
    (versions / "1.py").write_text(FIRST)
    (versions / "2.py").write_text(SECOND)
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.set_main_option("url", target.render_as_string().replace("%", "%%"))
    return config


def names(engine):
    return [each["name"] for each in sa.inspect(engine).get_columns("person")]


def test_migrations_up_and_down(tmp_path, target, engine):
    config = make_scripts(tmp_path, target)
    command.upgrade(config, "1")
    assert names(engine) == ["id", "name"]
    command.upgrade(config, "2")
    assert names(engine) == ["id", "full_name", "age"]
    with engine.connect() as connection:
        people = connection.exec_driver_sql("SELECT full_name, age FROM person ORDER BY id").all()
    assert people == [("Ada", 0), ("Grace", 0)]
    command.downgrade(config, "1")
    assert names(engine) == ["id", "name"]
    command.downgrade(config, "base")
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]


def test_a_failing_migration_leaves_nothing(tmp_path, target, engine):
    config = make_scripts(tmp_path, target)
    command.upgrade(config, "2")
    (tmp_path / "versions" / "3.py").write_text(FAILING)
    try:
        command.upgrade(config, "3")
    except sa.exc.OperationalError as error:
        assert "nowhere" in str(error)
    else:
        raise AssertionError("the migration did not fail")
    assert "half" not in sa.inspect(engine).get_table_names()
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "2"


def test_differences_are_found(engine):
    metadata = sa.MetaData()
    sa.Table("person", metadata, sa.Column("id", sa.Integer, primary_key=True))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
        assert [kind for kind, _ in found] == ["add_table"]
        metadata.create_all(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
