import pytest

from tasks.errors import StoreFailed, UsageError
from tasks.learning.label_page import write_label_page
from tasks.learning.labels import read_labels
from tasks.learning.train import TrainParams, train


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
    tab = visit(only="signals", labels=("=evil", 'a "b", c'))
    press(tab, "1", "2")
    found = read_labels(save(tab, tmp_path / "labels.csv"))
    assert list(found.values()) == ["=evil", 'a "b", c']


def test_a_draw_is_said(visit):
    tab = visit(most=4)
    assert "4 of 42 items, drawn at random" in tab.inner_text(".hint")
    press(tab, "1", "1", "1", "1")
    assert tab.is_visible("#finished")


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
