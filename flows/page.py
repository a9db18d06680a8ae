"""A run's page in the Prefect UI: what goes there while it runs, and at its end.

The page is for people who watch; no failure to write it may cost the run anything, nor may the
wait for a slow API. A thread writes, and what it has no time for while the run goes on is left out.
"""

import contextvars
import logging
import os
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any
from uuid import UUID

from httpx import TransportError
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows import artifacts
from tasks.changes import Change
from tasks.output import Output
from tasks.progress import Event, Note
from tasks.report import pixels
from tasks.summary import Summary

SECONDS_BETWEEN_UPDATES = 2.0
SECONDS_AFTER_A_FAILURE = 30.0
ASKED_AGAIN = 1


class Page:
    """Turns events into a progress artifact for each stage, and sentences into logs.

    A context: at its end nothing is written any more.

    Parameters
    ----------
    logger : logging.Logger or adapter
        The flow run's logger.
    """

    def __init__(self, logger: Any) -> None:  # noqa: ANN401
        self._logger: logging.Logger = logger
        self._artifacts: dict[str, UUID] = {}
        self._next: dict[str, float] = {}
        self._not_before = 0.0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="page")
        self._last: Future[None] | None = None
        self.done: dict[str, int] = {}
        """Items that were worked on, by stage."""

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown(cancel_futures=True)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Note):
            self._logger.info("%s: %s", event.stage, event.text)
            return
        if event.stage == "scan":
            self._logger.info("scan: %d names", event.done)
            return
        finished = event.done >= event.total
        self.done[event.stage] = event.done
        if event.total == 0 or not (finished or self._may_update(event.stage)):
            return
        self._next[event.stage] = time.monotonic() + SECONDS_BETWEEN_UPDATES
        self._send(lambda: self._show(event.stage, 100.0 * event.done / event.total))
        if finished:
            self._logger.info("%s: %d done", event.stage, event.done)

    def _may_update(self, stage: str) -> bool:
        idle = self._last is None or self._last.done()
        return idle and time.monotonic() >= self._next.get(stage, 0.0)

    def _send(self, write: Callable[[], object]) -> None:
        """Have the thread write, as this flow run."""
        self._last = self._writer.submit(contextvars.copy_context().run, self._write, write)

    def _show(self, stage: str, percent: float) -> None:
        if stage in self._artifacts:
            update_progress_artifact(self._artifacts[stage], progress=percent)
            return
        artifact = create_progress_artifact(
            progress=percent, key=f"progress-{stage.replace(' ', '-')}", description=stage
        )
        if isinstance(artifact, UUID):
            self._artifacts[stage] = artifact

    def _write(self, write: Callable[[], object]) -> None:
        """Write to the page; where the API is gone, go on, and leave it alone for a while."""
        if time.monotonic() < self._not_before:
            return
        try:
            # Prefect's client would ask for more than a minute before it gives up.
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: ASKED_AGAIN}):
                write()
        except Exception as error:
            if isinstance(error, TransportError):
                self._not_before = time.monotonic() + SECONDS_AFTER_A_FAILURE
            self._logger.warning(
                "the run's page was not updated: %s", error or type(error).__name__
            )

    def publish(self, summary: Summary, changes: tuple[Change, ...] | None) -> None:
        """Leave what a person looks for when the run is over."""
        if self._last:
            wait([self._last])
        self._not_before = 0.0
        for write in (_write_pictures, _write_tables, _write_link):
            self._write(partial(write, summary))
        self._write(lambda: self._write_summary(summary, changes))

    def _write_summary(self, summary: Summary, changes: tuple[Change, ...] | None) -> None:
        worst = [item.item for item in summary.worst[: artifacts.PICTURES]]
        pictures = pixels.thumbnails(summary.output, worst)
        text = artifacts.summary_markdown(summary, changes, self.done, pictures)
        create_markdown_artifact(text, key="summary", description="What the run came to")


def _write_pictures(summary: Summary) -> None:
    scores = pixels.all_scores(summary.output)
    if scores.size:
        create_image_artifact(
            pixels.distribution(scores),
            key="scores",
            description="How the PIQE scores are distributed; higher is worse",
        )


def _write_tables(summary: Summary) -> None:
    for rows, key, text in (
        (artifacts.worst_rows(summary), "worst-items", "The worst images"),
        (artifacts.refused_rows(summary), "not-processed", "What could not be processed, and why"),
    ):
        if rows:
            create_table_artifact(rows, key=key, description=text)


def _write_link(summary: Summary) -> None:
    create_link_artifact(
        report_address(summary.output),
        key="report",
        link_text="report.html",
        description=f"The report: {summary.output.report}",
    )


def report_address(output: Output) -> str:
    """Return where a browser finds a report: at `scalemark serve`, else on this machine's disk."""
    server = os.environ.get("SCALEMARK_REPORTS")
    path = urllib.parse.quote(os.fspath(output.report))
    return f"{server}{path}" if server else f"file://{path}"
