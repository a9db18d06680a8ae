"""A `Page` into one HTML file that asks nothing of any network.

Three guards stand between a hostile file name and the reader. Every printed text passes `display`
(by the environment's `finalize`, so none can be forgotten) and then the autoescape; scripts and
styles run only by the hash in the page's content security policy; and the script reads data from
attributes and writes it as text.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tasks.report import charts, sparklines, structure, text
from tasks.report.page import Count, ImageCard, Page, Quarantined, SignalCard

CLIP = 1000
"""Most characters of a text that a stranger wrote; no reason or path needs more to be known."""


def render(page: Page) -> str:
    """Write the page as HTML, all of it; see `tasks.report.trim` for a bound on its size.

    Parameters
    ----------
    page : Page
        What to show.

    Returns
    -------
    str
        A complete document that can be encoded as UTF-8.
    """
    style, script = resource("report.css"), resource("report.js")
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            page=page,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=policy(style, script),
            wide=charts.histogram(page.scores),
            narrow=charts.histogram(page.scores, width=360, height=230, bin_width=5),
            grades=charts.grade_counts(page.scores),
            above=charts.counts_above(page.scores),
            scored=int(charts.finite_scores(page.scores).size),
            median=_median(page),
            by_code=count_codes(page),
            parameters=list(flatten(page.provenance.parameters)),
        )
    )


def rendered_size(item: ImageCard | SignalCard | Quarantined) -> int:
    """Count the bytes that one card or row takes on the page."""
    macros = environment().get_template("cards.html.jinja").module
    macro = {ImageCard: "image_card", SignalCard: "signal_card", Quarantined: "quarantined_row"}
    markup = getattr(macros, macro[type(item)])(item)
    return len(str(markup).encode("utf-8")) + len("\n")


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every leaf of nested parameters as (dotted name, text).

    Examples
    --------
    >>> list(flatten({"piqe": {"block": 16}, "seed": None}))
    [('piqe.block', '16'), ('seed', 'None')]
    """
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value)


def count_codes(page: Page) -> tuple[Count, ...]:
    """Count the quarantined inputs by code, as told or else from the rows; the commonest first."""
    if page.quarantined_by_code:
        return page.quarantined_by_code
    codes = Counter(row.code for row in page.quarantined)
    return tuple(Count(code, number) for code, number in codes.most_common())


def _median(page: Page) -> float | None:
    scores = charts.finite_scores(page.scores)
    return float(np.median(scores)) if scores.size else None


def policy(style: str, script: str) -> str:
    """Return a content security policy: these two run, nothing else, and nothing is fetched."""
    return (
        "default-src 'none'; img-src data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


@cache
def resource(name: str, package: str = "tasks.report") -> str:
    """Return one of our own files, as it goes into a page."""
    # Universal newlines: a browser hashes the text with plain line feeds, as it parsed it.
    return (files(package) / name).read_text(encoding="utf-8")


@cache
def environment(package: str = "tasks.report") -> Environment:
    """Return the templates of a package, with every guard and filter set."""
    templates = Environment(
        loader=FunctionLoader(lambda name: resource(name, package)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "clip": lambda value: text.shorten(value, CLIP),
        "count": text.count,
        "grade": lambda score: charts.grade(score).name,
        "href": lambda name: "./" + quote(text.display(name)),
        "percent": text.percent,
        "quantity": text.quantity,
        "shorten": lambda value, longest: text.shorten(text.display(value), longest),
        "split_path": text.folder_and_name,
    }
    templates.globals |= {
        "spark": sparklines,
        "fingerprint_height": structure.FINGERPRINT_HEIGHT,
    }
    return templates


def _visible(value: object) -> object:
    return (
        text.display(value) if isinstance(value, str) and not isinstance(value, Markup) else value
    )
