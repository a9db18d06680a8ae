"""What `scalemark watch` asks the server for, without a server."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from flows import watch
from tests.faults import runs


class Server:
    """Knows one deployment, and starts one run for each key."""

    def __init__(self, source, out):
        parameters = {"source": str(source), "out": str(out)}
        self.deployment = SimpleNamespace(id=1, paused=False, parameters=parameters)
        self.keys = []

    def read_deployment_by_name(self, name):
        assert name == "characterise/watch"
        return self.deployment

    def create_flow_run_from_deployment(self, deployment, *, state, idempotency_key):
        assert (deployment, state.type.value) == (1, "SCHEDULED")
        self.keys.append(idempotency_key)
        return SimpleNamespace(name="a-run")


@pytest.fixture
def server(tiny, tmp_path, monkeypatch):
    runs.here(tiny, tmp_path / "out")
    server = Server(tiny, tmp_path / "out")
    monkeypatch.setattr(watch, "get_client", lambda **_: nullcontext(server))
    return server


@pytest.fixture
def tiny(tmp_path):
    runs.write_tiny(tmp_path / "tiny")
    return tmp_path / "tiny"


def look(watcher, times, monkeypatch, hour):
    monkeypatch.setattr(watch.time, "strftime", lambda _: hour)
    for _ in range(times):
        watcher.look()


def test_what_no_run_has_seen_is_tried_again_an_hour_later(server, tiny, monkeypatch):
    watcher = watch.Watcher()
    look(watcher, 3, monkeypatch, "2")
    assert server.keys == []  # all is known
    np.save(tiny / "late.npy", np.arange(60.0))
    look(watcher, 4, monkeypatch, "2")
    assert len(server.keys) == 3  # from the second look on: a file may still be growing
    assert len(set(server.keys)) == 1  # of which the server makes one run
    look(watcher, 1, monkeypatch, "3")
    assert len(set(server.keys)) == 2


def test_a_paused_deployment_starts_nothing(server, tiny, monkeypatch):
    server.deployment.paused = True
    np.save(tiny / "late.npy", np.arange(60.0))
    look(watch.Watcher(), 3, monkeypatch, "2")
    assert server.keys == []
