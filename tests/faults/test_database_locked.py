"""Somebody else holds the database of Prefect's server while a run tells it how it goes."""

import sqlite3
import time
from contextlib import closing, contextmanager

from tests.faults import runs

SECONDS = 15.0
"""Many times what the computation still needs."""


@contextmanager
def locked(database):
    """Hold a SQLite database, as a backup or a hanging query does."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")


def test_a_locked_database_delays_the_page_and_not_the_results(archive, clean, tmp_path):
    out, home = tmp_path / "out", tmp_path / "home"
    process = runs.start_flow(archive, out, PREFECT_HOME=str(home))
    runs.await_commits(process, out, "ingest", 1)
    with locked(home / "prefect.db"):
        time.sleep(SECONDS)
        assert runs.committed(out, "ingest") == 72
    ended = runs.end(process)
    assert ended.code == 0, ended
    assert "Traceback" not in ended.complaint + ended.printed
    runs.assert_as_clean(out, clean)
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        states = database.execute("SELECT state_type FROM flow_run").fetchall()
    assert states == [("COMPLETED",)]
