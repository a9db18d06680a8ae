"""What a run leaves on its page in the Prefect UI."""

import logging
import re
import time
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.progress import Event, Note
from tasks.summary import Summary

SECONDS_BETWEEN_UPDATES = 2.0


class StageProgress:
    """Turns events into a progress artifact for each stage, and sentences into logs.

    Parameters
    ----------
    logger : logging.Logger or adapter
        The flow run's logger.
    """

    def __init__(self, logger: Any) -> None:  # noqa: ANN401
        self._logger: logging.Logger = logger
        self._artifacts: dict[str, UUID] = {}
        self._next: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Note):
            self._logger.info("%s: %s", event.stage, event.text)
            return
        finished = event.done >= event.total
        if event.total == 0 or (not finished and time.monotonic() < self._next.get(event.stage, 0)):
            return
        self._next[event.stage] = time.monotonic() + SECONDS_BETWEEN_UPDATES
        self._show(event.stage, 100.0 * event.done / event.total)
        if finished:
            self._logger.info("%s: %d items", event.stage, event.done)

    def _show(self, stage: str, percent: float) -> None:
        if stage in self._artifacts:
            update_progress_artifact(self._artifacts[stage], progress=percent)
            return
        artifact = create_progress_artifact(
            progress=percent, key=f"progress-{stage.replace(' ', '-')}", description=stage
        )
        if isinstance(artifact, UUID):
            self._artifacts[stage] = artifact


def plain_text(text: str) -> str:
    """Return text that Markdown and HTML leave alone, whatever a file is called."""
    visible = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&$-])", lambda m: f"&#{ord(m[1])};", visible)


def summary_markdown(summary: Summary) -> str:
    """Return the run in a few lines of Markdown."""
    lines = ["| status | items |", "|---|---:|"]
    lines += [f"| {name} | {number} |" for name, number in summary.counts.items() if number]
    if summary.quarantined:
        lines += ["", "Quarantined: "]
        lines += [f"* {code}: {number}" for code, number in summary.quarantined.items()]
    if summary.worst:
        lines += ["", "| worst images | PIQE |", "|---|---:|"]
        lines += [f"| {plain_text(item.name)} | {item.score:.1f} |" for item in summary.worst]
    output = summary.output
    lines += ["", f"Report: `{output.report}`", "", f"Table: `{output.parquet}`"]
    return "\n".join(lines)


def worst_rows(summary: Summary) -> list[dict[str, Any]]:
    """Return the worst images as rows of a table artifact."""
    return [
        {
            "path": item.path,
            "part": item.part,
            "PIQE": round(item.score, 1),
            "reason": item.reason,
        }
        for item in summary.worst
    ]
