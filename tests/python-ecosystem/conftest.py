"""Other people's packages on top of ours; each test on three nodes in its own process."""

import pytest
from sqlalchemy import create_engine
from quorlite.sqlalchemy import url

pytest_plugins = ["quorlite.testing"]


@pytest.fixture
def target(quorlite_db):
    """The URL of an empty database."""
    addresses = [each.address for each in quorlite_db.cluster.nodes()]
    return url(",".join(addresses) + f"/{quorlite_db.database}")


@pytest.fixture
def engine(target):
    engine = create_engine(target)
    yield engine
    engine.dispose()
