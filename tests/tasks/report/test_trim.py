from dataclasses import replace

import numpy as np
import pytest

from tasks.report.page import Count, Quarantined, Run, Skipped
from tasks.report.render import render, rendered_size
from tasks.report.trim import LIMIT, render_within, shorten_lists, trim


def bulky(make, index, **changes):
    return make.image(
        path=f"card {index:04d}.jpg",
        score=100 - index / 20,
        thumbnail="data:image/webp;base64," + "A" * 30_000,
        **changes,
    )


def quarantined(number):
    return tuple(
        Quarantined(
            path=f"bad {index}.jpg", code=("corrupt", "io-error")[index % 4 == 0], reason="cut"
        )
        for index in range(number)
    )


@pytest.fixture(scope="module")
def huge(make):
    worst = [bulky(make, index) for index in range(900)]
    drawn = [bulky(make, index, drawn=True) for index in range(900, 1000)]
    return make.page(images=(*worst, *drawn), quarantined=quarantined(20_000), left_out="")


@pytest.fixture(scope="module")
def huge_html(huge):
    return render_within(huge)


def test_a_page_of_an_enormous_archive_fits(huge_html):
    size = len(huge_html.encode("utf-8"))
    assert LIMIT * 0.97 < size <= LIMIT


def test_the_page_says_what_was_left_out(huge, huge_html):
    shown = huge_html.count('<article class="card"')
    assert f"{1000 - shown} images were left out" in huge_html
    assert "20,000 inputs could not be processed" in huge_html
    assert "The first 2,000 are listed" in huge_html


def test_the_worst_images_stay(huge):
    small = trim(shorten_lists(huge))
    assert small.images == huge.images[: len(small.images)]
    assert not any(card.drawn for card in small.images)


def test_random_images_go_before_any_of_the_worst(make):
    worst = [bulky(make, index) for index in range(3)]
    drawn = [bulky(make, index, drawn=True) for index in range(3, 6)]
    page = make.page(images=(drawn[0], *worst, *drawn[1:]), left_out="")
    limit = len(render(page).encode("utf-8")) - 2 * rendered_size(drawn[0]) + 10_000
    small = trim(page, limit)
    assert small.images == (drawn[0], *worst)
    assert len(render(small).encode("utf-8")) <= limit


def test_a_page_that_fits_stays_as_it_is(make):
    page = make.page()
    assert render_within(page) == render(page)


def test_the_size_of_a_card_is_what_the_page_grows_by(make):
    page = make.page()
    for field in ("images", "signals", "quarantined"):
        items = getattr(page, field)
        one, nine = (
            len(render(replace(page, **{field: items * number})).encode("utf-8"))
            for number in (1, 9)
        )
        numbers = 200
        assert abs(nine - one - 8 * rendered_size(items[0])) < numbers


def test_long_lists_are_cut_and_their_totals_kept(make):
    page = make.page(
        skipped=tuple(
            Skipped(reason=f"reason {index}", number=10, examples=("x",) * 10)
            for index in range(80)
        )
    )
    provenance = replace(
        page.provenance,
        routes=tuple(Count(str(index), 1) for index in range(99)),
        runs=(Run(started="", finished="", outcome="", processed=0),) * 99,
    )
    short = shorten_lists(replace(page, provenance=provenance))
    assert sum(group.number for group in short.skipped) == 800
    assert short.skipped[-1].reason == "30 more reasons"
    assert {len(group.examples) for group in short.skipped[:-1]} == {5}
    assert (len(short.provenance.routes), len(short.provenance.runs)) == (50, 50)


def test_a_limit_below_the_bare_page_is_refused(make):
    with pytest.raises(ValueError, match="without a single card"):
        render_within(make.page(scores=np.array([])), limit=5_000)
