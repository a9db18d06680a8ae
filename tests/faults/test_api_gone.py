"""The Prefect API goes away in mid-run."""

from tests.faults import runs


def server_of(process):
    """Return the temporary server that a run has started."""
    [found] = [
        child
        for child in runs.descendants(process)
        if {"prefect", "server", "start"} <= set(child.cmdline())
    ]
    return found


def test_the_computation_finishes_without_the_api(archive, clean, tmp_path):
    out, home = tmp_path / "out", tmp_path / "home"
    process = runs.start_flow(archive, out, PREFECT_HOME=str(home), PREFECT_CLIENT_MAX_RETRIES="1")
    runs.await_commits(process, out, "ingest", 1)
    children = runs.descendants(process)
    server = server_of(process)
    for part in (*server.children(recursive=True), server):
        part.kill()
    ended = runs.end(process)
    assert ended.code == 0, ended
    assert "went away in mid-run: its page is not complete, the results are" in ended.complaint
    assert "report.html" in ended.printed
    assert "Traceback" not in ended.complaint + ended.printed
    runs.assert_gone(children)
    runs.assert_as_clean(out, clean)
