"""A page that fits: what goes first when the report would be too large to open with ease."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, takewhile
from typing import TypeVar

from tasks.report.page import ImageCard, Page, Quarantined, SignalCard, Skipped
from tasks.report.render import count_codes, render, rendered_size
from tasks.report.text import count, size

Item = TypeVar("Item", ImageCard, SignalCard, Quarantined)
LIMIT = 10_000_000
ROWS = 2_000
"""Quarantined rows that a person may still scroll through; more are counted by code."""
GROUPS, EXAMPLES = 50, 5
"""Most groups of the skipped, decode routes and runs; most examples of a group."""
RESERVE = 2_000
"""Bytes for the sentence that says what is missing."""


def render_within(page: Page, limit: int = LIMIT) -> str:
    """Write the page in at most `limit` bytes of UTF-8, leaving out what matters least.

    Quarantined rows past the first 2,000 go always, and long lists of the provenance are cut.
    If that is not enough, images drawn at random go first, then the best of the shown images,
    then signals from the end of the list, then quarantined rows. The page says what is missing.

    Parameters
    ----------
    page : Page
        What to show.
    limit : int
        Most bytes of the file.

    Returns
    -------
    str
        A complete document.

    Raises
    ------
    ValueError
        If the page without any card or row is larger than `limit`.
    """
    short = shorten_lists(page)
    html = render(short)
    if _size(html) <= limit:
        return html
    return render(trim(short, limit))


def shorten_lists(page: Page) -> Page:
    """Cut the lists that nobody reads to their end; counts stay complete."""
    return replace(
        page,
        quarantined=page.quarantined[:ROWS],
        quarantined_by_code=count_codes(page),
        skipped=tuple(
            replace(group, examples=group.examples[:EXAMPLES])
            for group in _merge_tail(page.skipped)
        ),
        provenance=replace(
            page.provenance,
            routes=page.provenance.routes[:GROUPS],
            runs=page.provenance.runs[:GROUPS],
        ),
    )


def _merge_tail(groups: tuple[Skipped, ...]) -> tuple[Skipped, ...]:
    head, tail = groups[:GROUPS], groups[GROUPS:]
    number = sum(group.number for group in tail)
    return (*head, Skipped(reason=f"{len(tail)} more reasons", number=number)) if tail else head


def trim(page: Page, limit: int = LIMIT) -> Page:
    """Leave out cards and rows until the page takes at most `limit` bytes, and say so on it.

    Parameters
    ----------
    page : Page
        What to show.
    limit : int
        Most bytes of the file.

    Returns
    -------
    Page
        The same page with fewer images, signals and quarantined rows.

    Raises
    ------
    ValueError
        If the page without any card or row is larger than `limit`.
    """
    bare = replace(page, images=(), signals=(), quarantined=())
    room = limit - RESERVE - _size(render(bare))
    if room < 0:
        raise ValueError(
            f"the report takes {count(limit - room)} bytes without a single card, and only "
            f"{count(limit)} are allowed; allow more"
        )
    rows, room = _that_fit(page.quarantined, room)
    signals, room = _that_fit(page.signals, room)
    worst, room = _that_fit([card for card in page.images if not card.drawn], room)
    drawn, room = _that_fit([card for card in page.images if card.drawn], room)
    kept = {id(card) for card in (*worst, *drawn)}
    images = tuple(card for card in page.images if id(card) in kept)
    small = replace(page, images=images, signals=tuple(signals), quarantined=tuple(rows))
    return replace(small, left_out=_sentence(page, small, limit))


def _that_fit(items: Sequence[Item], room: int) -> tuple[Sequence[Item], int]:
    """First of the items that fit, and the room that is left."""
    ends = accumulate(rendered_size(item) for item in items)
    kept = list(takewhile(lambda end: end <= room, ends))
    return items[: len(kept)], room - (kept[-1] if kept else 0)


def _sentence(page: Page, small: Page, limit: int) -> str:
    kinds = {"images": "images", "signals": "signals", "quarantined": "quarantined rows"}
    missing = [
        f"{count(len(getattr(page, name)) - len(getattr(small, name)))} {words}"
        for name, words in kinds.items()
        if len(getattr(page, name)) > len(getattr(small, name))
    ]
    if not missing:
        return ""
    return (
        f"To keep this page under {size(limit)}, {' and '.join(missing)} were left out; "
        f"every row is in {' and '.join(page.tables)}."
    )


def _size(html: str) -> int:
    return len(html.encode("utf-8"))
