"""What a run leaves on its page in the Prefect UI, as values: nothing is sent from here."""

import re
from typing import Any

from tasks.changes import Change
from tasks.summary import Summary

PICTURES = 6
"""Of the worst images, in the summary."""


def plain_text(text: str) -> str:
    """Return text that Markdown and HTML leave alone, whatever a file is called."""
    visible = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&$-])", lambda m: f"&#{ord(m[1])};", visible)


def summary_markdown(
    summary: Summary,
    changes: tuple[Change, ...] | None = None,
    done: dict[str, int] | None = None,
    pictures: dict[int, str] | None = None,
) -> str:
    """Return the run in a page of Markdown.

    Parameters
    ----------
    summary : Summary
        What the run came to.
    changes : tuple of Change, optional
        What is not as the run before left it; None where this is the first.
    done : dict, optional
        Items that this run worked on, by stage.
    pictures : dict, optional
        Thumbnails as data addresses, by item.
    """
    lines = _table("status", summary.counts)
    lines += ["", "## Since the last run", "", *_changes(changes)]
    worked = {stage: number for stage, number in (done or {}).items() if number}
    lines += ["", "## Done in this run", ""]
    lines += _table("stage", worked) if worked else ["Nothing: everything was done before."]
    if summary.quarantined:
        lines += ["", "## Could not be processed", "", *_table("why", summary.quarantined)]
    lines += _gallery(summary, pictures or {})
    output = summary.output
    lines += ["", "## Where it lies", "", f"* report: `{output.report}`"]
    lines += [f"* table: `{output.parquet}`, `{output.csv}`", f"* store: `{output.store}`"]
    return "\n".join(lines)


def _table(name: str, numbers: dict[str, int]) -> list[str]:
    rows = [f"| {plain_text(key)} | {number:,} |" for key, number in numbers.items() if number]
    return [f"| {name} | items |", "|:---|---:|", *rows]


def _changes(changes: tuple[Change, ...] | None) -> list[str]:
    if changes is None:
        return ["This was the first run."]
    if not changes:
        return ["Nothing has changed."]
    lines = []
    for change in changes:
        names = ", ".join(map(plain_text, change.examples))
        more = change.count - len(change.examples)
        lines.append(
            f"* **{change.count:,} {change.what}**: {names}{f' and {more:,} more' * (more > 0)}"
        )
    return lines


def _gallery(summary: Summary, pictures: dict[int, str]) -> list[str]:
    shown = [item for item in summary.worst if item.item in pictures][:PICTURES]
    if not shown:
        return []
    lines = ["", "## The worst images", ""]
    for item in shown:
        why = plain_text(item.reason) or f"PIQE {item.score:.1f}, not flagged"
        lines += [f"**{plain_text(item.name)}**: {why}", ""]
        lines += [f"![{plain_text(item.name)}]({pictures[item.item]})", ""]
    return lines


def worst_rows(summary: Summary) -> list[dict[str, Any]]:
    """Return the worst images as rows of a table artifact."""
    return [
        {
            "path": item.path,
            "part": item.part,
            "PIQE": round(item.score, 1),
            "why flagged": item.reason,
        }
        for item in summary.worst
    ]


def refused_rows(summary: Summary) -> list[dict[str, Any]]:
    """Return the items that could not be processed as rows of a table artifact."""
    return [
        {"path": item.path, "part": item.part, "what": item.code, "why": item.reason}
        for item in summary.refusals
    ]
