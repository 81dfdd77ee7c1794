"""pandas: frames written to and read from a database, through SQLAlchemy."""

import datetime

import pandas as pd
import sqlalchemy as sa


def test_a_frame_survives(engine):
    frame = pd.DataFrame(
        {
            "name": ["Ada", "Grace", "Ἀριστοτέλης"],
            "age": [36, 45, 62],
            "height": [1.7, None, 1.6],
            "born": pd.to_datetime(["1815-12-10", "1906-12-09", "1900-01-01"]),
            "known": [True, False, True],
        }
    )
    assert frame.to_sql("person", engine, index=False) == 3
    read = pd.read_sql("SELECT * FROM person", engine, parse_dates=["born"])
    read["known"] = read["known"].astype(bool)
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)
    table = pd.read_sql_table("person", engine)
    assert table["born"][0] == datetime.datetime(1815, 12, 10)


def test_appending_replacing_and_parameters(engine):
    frame = pd.DataFrame({"n": range(1000)})
    frame.to_sql("numbers", engine, index=False, method="multi", chunksize=300)
    frame.to_sql("numbers", engine, index=False, if_exists="append")
    query = sa.text("SELECT count(*) AS many FROM numbers WHERE n >= :least")
    assert pd.read_sql(query, engine, params={"least": 990})["many"][0] == 20
    frame[:5].to_sql("numbers", engine, index=False, if_exists="replace")
    assert len(pd.read_sql("numbers", engine)) == 5


def test_parts(engine):
    pd.DataFrame({"n": range(1000)}).to_sql("numbers", engine, index=False)
    parts = list(pd.read_sql("SELECT n FROM numbers ORDER BY n", engine, chunksize=300))
    assert [len(part) for part in parts] == [300, 300, 300, 100]
    assert int(pd.concat(parts)["n"].sum()) == 499500
