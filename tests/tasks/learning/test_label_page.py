import json
import re

import pyarrow.parquet as pq
import pytest

from tasks.errors import StoreFailed, UsageError
from tasks.learning.label_page import write_label_page
from tasks.learning.labels import read_labels
from tasks.learning.train import TrainParams, train
from tasks.output import Output


@pytest.fixture
def visit(browser, finished, tmp_path):
    """Write the page and open it; what it complains of or asks for is kept beside it."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)

    def open_page(**options):
        written = write_label_page(finished, tmp_path / "labels.html", **options)
        tab = context.new_page()
        tab.complaints, tab.asked = [], []
        tab.on("console", lambda message: tab.complaints.append(message.text))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.goto(written.path.as_uri())
        return tab

    yield open_page
    context.close()


def press(tab, *keys):
    for key in keys:
        tab.keyboard.press(key)


def tally(tab):
    return tab.locator("#tally li").all_inner_texts()


def save(tab, path):
    with tab.expect_download() as download:
        tab.click("#export")
    download.value.save_as(path)
    return path


def test_keys_label_skip_and_undo(visit):
    tab = visit(only="images")
    assert tally(tab) == ["0 accept", "0 reject", "30 without"]
    press(tab, "1", "r", "ArrowRight", " ", "ArrowLeft", "a")
    assert tally(tab) == ["3 accept", "2 reject", "25 without"]
    assert "7 of 30" in tab.inner_text("#facts")
    press(tab, "u", "u")
    assert tally(tab) == ["2 accept", "1 reject", "27 without"]
    assert "5 of 30" in tab.inner_text("#facts")
    press(tab, "n")
    assert "6 of 30" in tab.inner_text("#facts")
    tab.click('#choices button:has-text("reject")')
    assert tally(tab) == ["2 accept", "2 reject", "26 without"]
    assert tab.complaints == []


def test_a_label_is_changed_by_another_and_undo_brings_the_first_back(visit):
    tab = visit(only="images")
    press(tab, "1")
    tab.click("#strip button >> nth=0")
    press(tab, "2")
    assert tally(tab)[:2] == ["0 accept", "1 reject"]
    press(tab, "u")
    assert tally(tab)[:2] == ["1 accept", "0 reject"]


def test_labels_outlive_the_page(visit):
    tab = visit(only="images")
    press(tab, "1", "2")
    tab.wait_for_timeout(500)  # a browser writes what a page keeps a moment later
    tab.reload()
    assert tally(tab) == ["1 accept", "1 reject", "28 without"]
    assert "3 of 30" in tab.inner_text("#facts")


def test_labels_outlive_another_draw_and_are_saved_with_it(visit, tmp_path):
    tab = visit(only="images", most=6)
    press(tab, *"121212")
    first = read_labels(save(tab, tmp_path / "first.csv"))
    tab.wait_for_timeout(500)
    tab = visit(only="images", most=6, seed=1)
    press(tab, "n", "2")
    second = read_labels(save(tab, tmp_path / "second.csv"))
    assert first.items() < second.items()
    assert len(second) == 7
    assert re.search(r"\d of an earlier page", " ".join(tally(tab)))
    assert tab.complaints == []


@pytest.mark.parametrize("name", ["constructor", "__proto__", "toString"])
def test_a_name_that_scripts_know_is_a_name_like_others(visit, tmp_path, name):
    tab = visit(only="images")
    page = tmp_path / "labels.html"
    page.write_text(page.read_text().replace('"name": "f0/clean0.png"', f'"name": "{name}"'))
    tab.reload()
    assert tally(tab) == ["0 accept", "0 reject", "30 without"]
    press(tab, "1")
    tab.wait_for_timeout(500)
    tab.reload()
    assert tally(tab) == ["1 accept", "0 reject", "29 without"]
    assert read_labels(save(tab, tmp_path / "labels.csv")) == {name: "accept"}


def test_nothing_is_asked_of_the_network(visit):
    tab = visit()
    press(tab, "1")
    assert [url for url in tab.asked if not url.startswith(("data:", "file:"))] == []
    assert tab.complaints == []


def test_what_is_saved_trains_a_rule(visit, finished, tmp_path):
    tab = visit(only="images", labels=("clean", "noisy"))
    for _ in range(15):
        press(tab, "c", "n" if tab.locator("#choices kbd").all_inner_texts().count("N") else "2")
    path = save(tab, tmp_path / "labels.csv")
    found = read_labels(path)
    assert len(found) == 30
    assert found["f0/clean0.png"] == "clean"
    model = train(finished, path, TrainParams(), tmp_path / "model.json").model
    assert model.evaluation["items"] == 30


def test_every_name_comes_back_as_it_went_out(visit, tmp_path):
    labels = ("=evil", 'a "b", c', "'=quoted", "''-1", "'plain'")
    tab = visit(only="signals", labels=labels)
    press(tab, *"12345")
    found = read_labels(save(tab, tmp_path / "labels.csv"))
    assert tuple(found.values()) == labels


def test_a_draw_is_said(visit):
    tab = visit(most=4)
    assert "4 of 42 items, drawn at random" in tab.inner_text(".hint")
    press(tab, "1", "1", "1", "1")
    assert tab.is_visible("#finished")


def drawn(out, path, **options):
    write_label_page(out, path, only="images", **options)
    [text] = re.findall(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return {item["name"] for item in json.loads(text)["items"]}


def test_a_draw_from_a_grown_archive_holds_what_is_still_among_the_first(out, tmp_path):
    path, most = tmp_path / "labels.html", 12
    whole = drawn(out, path, most=most)
    assert drawn(out, path, most=most) == whole
    assert drawn(out, path, most=most, seed=-1) != whole
    table = pq.read_table(Output(out).parquet)
    few = [n for n, name in enumerate(table["path"].to_pylist()) if "3.png" not in name]
    pq.write_table(table.take(few), Output(out).parquet)
    smaller = drawn(out, path, most=most)
    assert len(smaller) == len(whole) == most
    assert {name for name in whole if "3.png" not in name} <= smaller


def test_another_file_is_not_written_over(out, tmp_path):
    page = tmp_path / "page.html"
    for path in (page, out / "report.html", tmp_path):
        if path == page:
            page.write_text("<title>mine</title>")
        with pytest.raises(UsageError, match="no page of labels: choose another --page"):
            write_label_page(out, path)
    assert page.read_text() == "<title>mine</title>"


def test_a_table_that_is_missing_or_damaged_is_named(out, tmp_path):
    Output(out).parquet.write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="cannot read the table"):
        write_label_page(out, tmp_path / "labels.html")
    Output(out).parquet.unlink()
    with pytest.raises(UsageError, match=r"items\.parquet.*scalemark report. writes it anew"):
        write_label_page(out, tmp_path / "labels.html")


@pytest.mark.parametrize("labels", [("one",), ("a", "a"), ("a", " "), tuple("abcdefghij")])
def test_labels_that_have_no_key_each_are_refused(finished, tmp_path, labels):
    with pytest.raises(UsageError, match="2 to 9 different words"):
        write_label_page(finished, tmp_path / "labels.html", labels=labels)


def test_what_cannot_be_written_or_is_empty_is_refused(finished, tmp_path):
    with pytest.raises(StoreFailed, match="cannot write the page"):
        write_label_page(finished, tmp_path / "none/labels.html")
    with pytest.raises(UsageError, match="most must be 1 or more"):
        write_label_page(finished, tmp_path / "labels.html", most=0)
    with pytest.raises(UsageError, match="holds no scalemark run"):
        write_label_page(tmp_path, tmp_path / "labels.html")
