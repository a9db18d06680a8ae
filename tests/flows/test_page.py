"""A run's page, with a Prefect API that is quick, slow, or gone."""

import logging
import threading
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest

from flows import page, stages
from tasks.errors import StoreFailed
from tasks.progress import Note, Progress


@pytest.fixture
def shown(monkeypatch):
    """What the API was told of a stage's progress, in order."""
    shown = []

    def create(progress, key, description):
        assert (key, description) == ("progress-piqe-images", "piqe images")
        shown.append(progress)
        return uuid4()

    monkeypatch.setattr(page, "create_progress_artifact", create)
    monkeypatch.setattr(
        page, "update_progress_artifact", lambda _, progress: shown.append(progress)
    )
    return shown


def score(done):
    return Progress(stage="piqe images", done=done, total=8)


def test_progress_moves_and_reaches_the_end(shown, monkeypatch, caplog):
    monkeypatch.setattr(page, "SECONDS_BETWEEN_UPDATES", 0.0)
    caplog.set_level(logging.INFO)
    with page.Page(logging.getLogger()) as told:
        for done in (2, 4, 8):
            told(score(done))
            told._last.result(10)
    assert shown == [25.0, 50.0, 100.0]
    assert told.done == {"piqe images": 8}
    assert caplog.messages == ["piqe images: 8 done"]


def test_updates_are_not_too_many(shown):
    with page.Page(logging.getLogger()) as told:
        for done in range(1, 9):
            told(score(done))
        told._last.result(10)
    assert shown == [12.5, 100.0]


def test_a_slow_api_holds_up_nobody(shown, monkeypatch):
    monkeypatch.setattr(page, "SECONDS_BETWEEN_UPDATES", 0.0)
    answered, create = threading.Event(), page.create_progress_artifact

    def slow(**values):
        answered.wait(10)
        return create(**values)

    monkeypatch.setattr(page, "create_progress_artifact", slow)
    with page.Page(logging.getLogger()) as told:
        for done in range(1, 9):
            told(score(done))
        assert shown == []
        answered.set()
        told._last.result(10)
    assert shown == [12.5, 100.0]  # what came between was old by then


def test_an_api_that_is_gone_is_left_alone_for_a_while(monkeypatch, caplog):
    asked = []

    def gone(**_):
        asked.append(1)
        raise httpx.ConnectError("connection refused")

    monkeypatch.setattr(page, "create_progress_artifact", gone)
    monkeypatch.setattr(page, "SECONDS_BETWEEN_UPDATES", 0.0)
    with page.Page(logging.getLogger()) as told:
        for done in (2, 4, 8):
            told(score(done))
            told._last.result(10)
    assert len(asked) == 1
    assert caplog.messages == ["the run's page was not updated: connection refused"]


def test_what_a_stage_has_to_say_goes_to_the_log(caplog):
    caplog.set_level(logging.INFO)
    with page.Page(logging.getLogger()) as told:
        told(Note(stage="ingest", text="2 items done again: their content changed"))
    assert caplog.messages == ["ingest: 2 items done again: their content changed"]


@pytest.mark.parametrize(
    ("error", "again", "words"),
    [
        (OSError("a share blinked"), True, "tried again in 5 s: OSError: a share blinked"),
        (StoreFailed("full"), False, "not tried again, it would not help: StoreFailed: full"),
    ],
)
def test_a_step_is_tried_again_with_the_reason_where_that_may_help(
    error, again, words, monkeypatch, caplog
):
    monkeypatch.setattr(stages, "task_run_logger", lambda *_: logging.getLogger())
    state = SimpleNamespace(result=lambda raise_on_failure: error)
    run = SimpleNamespace(run_count=1)
    assert stages.worth_retrying(None, run, state) is again
    assert caplog.messages == [words]
