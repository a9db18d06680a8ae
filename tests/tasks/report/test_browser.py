from dataclasses import replace

import numpy as np
import pytest

from tasks.report.render import render
from tasks.report.thumbnails import masks, thumbnail

ACTIVE = np.array([[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=bool)
DISTORTED = np.array([[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
NOISY = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
PLAIN = np.full((40, 56, 3), 128, dtype=np.uint8)


@pytest.fixture(scope="module")
def report(make, tmp_path_factory):
    blocks = masks(ACTIVE, DISTORTED, NOISY)
    shape = {"height": 40, "width": 56, "thumbnail": thumbnail(PLAIN), "masks": blocks}
    page = make.page('<img src="https://example.org/x.png" onerror=alert(1)>\u202e')
    mild = make.image(path="deep/mild.jpg", score=12.0)
    bad = make.image(path="deep/bad.jpg", score=95.0, status="flagged", **shape)
    long_name = make.image(path=f"{'folder' * 40}/{'name' * 60}.jpg", score=50.0)
    signal = make.signal(path="s" * 300, units="W" * 60)
    page = replace(
        page,
        images=(bad, long_name, *page.images, mild),
        signals=(*page.signals, signal),
        provenance=replace(page.provenance, parameters={"k" * 200: "v" * 200}),
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(page), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser, report):
    """Open the report; what it complains of or asks for is kept beside it."""
    contexts = []

    def open_report(width=1440, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.complaints, tab.asked = [], []
        tab.on("console", lambda message: tab.complaints.append(message.text))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.goto(report.as_uri())
        return tab

    yield open_report
    for context in contexts:
        context.close()


def open_viewer(tab, name):
    tab.locator(f'.card[data-path="{name}"] .frame').click()
    tab.wait_for_selector("#viewer[data-ready]")


def colour_at(tab, x, y):
    """Colour of the overlay at a pixel of the original image."""
    return tab.evaluate(
        """([x, y]) => {
            const canvas = document.querySelector("#viewer canvas");
            const scale = canvas.width / 56;
            const context = canvas.getContext("2d");
            return [...context.getImageData(x * scale, y * scale, 1, 1).data];
        }""",
        [x, y],
    )


def kind_at(tab, x, y):
    red, _, blue, opacity = colour_at(tab, x, y)
    if opacity == 0:
        return "clear"
    if max(red, blue) < 120:
        return "veil"
    return "distorted" if red > blue else "noisy"


def shown(tab):
    return tab.locator(".card:visible").evaluate_all("cards => cards.map(c => c.dataset.path)")


def test_nothing_is_asked_of_the_network_and_nothing_is_complained_of(visit, report):
    tab = visit()
    open_viewer(tab, "deep/bad.jpg")
    assert [url for url in tab.asked if not url.startswith("data:")] == [report.as_uri()]
    assert tab.complaints == []


def test_the_overlay_paints_the_right_blocks(visit):
    tab = visit()
    open_viewer(tab, "deep/bad.jpg")
    assert kind_at(tab, 7, 8) == "veil"
    assert kind_at(tab, 24, 8) == "distorted"
    assert kind_at(tab, 40, 8) == "noisy"
    assert kind_at(tab, 8, 24) == "clear"
    assert kind_at(tab, 50, 18) == "distorted"
    assert kind_at(tab, 54, 30) == "noisy"
    assert kind_at(tab, 24, 38) == "clear"


def test_each_kind_of_block_is_switched_by_itself(visit):
    tab = visit()
    open_viewer(tab, "deep/bad.jpg")
    tab.locator('[data-layer="distorted"]').uncheck()
    assert kind_at(tab, 24, 8) == "clear"
    assert kind_at(tab, 50, 18) == "noisy"
    tab.locator('[data-layer="inactive"]').uncheck()
    assert kind_at(tab, 7, 8) == "clear"
    assert kind_at(tab, 40, 8) == "noisy"


def test_the_viewer_is_worked_by_keys_alone(visit):
    tab = visit()
    first = tab.locator(".frame").first
    first.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#viewer[data-ready]")
    assert tab.locator("#viewer-name").inner_text() == "bad.jpg"
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("#viewer-name").inner_text() == "mild.jpg"
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Escape")
    assert not tab.locator("#viewer").is_visible()
    assert first.evaluate("frame => frame === document.activeElement")


def test_text_and_choices_filter_the_cards(visit):
    tab = visit()
    assert len(shown(tab)) == 4
    tab.locator("#images [data-search]").fill("DEEP jpg")
    assert shown(tab) == ["deep/bad.jpg", "deep/mild.jpg"]
    assert tab.locator("#images [data-shown]").inner_text() == "2 of 4 match"
    tab.locator('#images [data-filter="grade"]').select_option("bad")
    assert shown(tab) == ["deep/bad.jpg"]
    tab.locator('#images [data-filter="status"]').select_option("ok")
    assert shown(tab) == []
    assert tab.locator("#images [data-empty]").is_visible()


def test_a_tile_filters_by_its_status(visit):
    tab = visit()
    tab.locator(".tile.flagged").click()
    assert shown(tab) == ["deep/bad.jpg"]


def test_cards_are_sorted_by_score_and_by_name(visit):
    tab = visit()
    sort = tab.locator("#images [data-sort]")
    sort.select_option("score:up")
    assert shown(tab)[0] == "deep/mild.jpg"
    sort.select_option("path:up")
    names = shown(tab)
    assert names.index("deep/bad.jpg") < names.index("deep/mild.jpg")


def test_the_cut_off_counts_the_whole_archive(visit):
    tab = visit()
    assert tab.locator("#above").inner_text() == "1 images (25.0 %) score above 80"
    tab.locator("#cutoff").fill("50")
    assert tab.locator("#above").inner_text() == "2 images (50.0 %) score above 50"


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_no_width_scrolls_sideways(visit, width):
    tab = visit(width)
    tab.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    open_viewer(tab, "deep/bad.jpg")
    assert tab.evaluate("document.querySelector('#viewer').scrollWidth") <= width


def test_without_scripts_everything_but_the_tools_is_there(visit):
    tab = visit(java_script_enabled=False)
    assert tab.locator(".card").count() == 4
    assert tab.locator("noscript .note").is_visible()
    assert not tab.locator("#images .tools").is_visible()
    assert not tab.locator("#viewer").is_visible()


def test_the_policy_stops_a_script_that_got_in(visit):
    tab = visit()
    tab.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.intruder = true";
            document.body.append(script);
        }"""
    )
    assert tab.evaluate("window.intruder") is None
    assert "Content Security Policy" in tab.complaints[0]
