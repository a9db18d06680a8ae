import http.client

import pytest

from flows import reports
from flows.server import free_port
from tasks.output import Output


@pytest.fixture
def out(tmp_path):
    output = Output(tmp_path / "out of it")
    output.root.mkdir()
    for path in (output.report, output.csv, output.ledger):
        path.write_text(f"<{path.name}>")
    (tmp_path / "report.html").write_text("nobody's")
    return output


def get(port, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_only_what_a_run_wrote_is_served_and_only_to_who_knows_the_address(out, tmp_path):
    port = free_port()
    secret = reports.secret_of(tmp_path)
    assert secret == reports.secret_of(tmp_path)
    assert (tmp_path / "reports.secret").stat().st_mode & 0o077 == 0
    with reports.served(port, secret) as address:
        assert address == f"http://127.0.0.1:{port}/{secret}"
        root = str(out.root).replace(" ", "%20")
        assert get(port, f"/{secret}{root}/report.html") == (200, "<report.html>")
        assert get(port, f"/{secret}{root}/items.csv") == (200, "<items.csv>")
        for path in (
            f"/{secret}{root}/ledger.sqlite",
            f"/{secret}{tmp_path}/report.html",
            f"/{secret}{root}/../reports.secret",
            f"/{secret}/etc/passwd",
            f"/{secret[:-1]}{root}/report.html",
            f"{root}/report.html",
            "/",
        ):
            assert get(port, path)[0] == 404, path
        assert get(port, f"/{secret}{root}/report.html", host="example.org")[0] == 404
