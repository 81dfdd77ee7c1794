"""SQLAlchemy's dialect compliance suite on three nodes: run.py quorlite|quorlite+aio [PYTEST ...]"""

import os
import pathlib
import sys

import pytest
from quorlite.sqlalchemy import url
from quorlite.testing import TestCluster

os.chdir(pathlib.Path(__file__).parent)
driver, *arguments = sys.argv[1:]
with TestCluster() as cluster:
    target = url(",".join(cluster.addresses) + "/compliance", driver)
    failed = pytest.main(["--dburi", target.render_as_string(), *arguments])
sys.exit(failed)
