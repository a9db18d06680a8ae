import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.text import JOINERS, display, folder_and_name, percent, quantity, shorten

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("naïve écran 写真.png", "naïve écran 写真.png"),
        ("a\nb\tc\x00\x7f", r"a\nb\tc\x00\x7f"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("scan\u202egpj.exe", r"scan\u202egpj.exe"),
        ("\u2066x\u2069\u200f\ufeff\u2028", r"\u2066x\u2069\u200f\ufeff\u2028"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
    ],
)
def test_hidden_characters_become_visible(raw, shown):
    assert display(raw) == shown


@given(ANY_TEXT)
def test_whatever_is_displayed_is_visible_and_valid(text):
    shown = display(text)
    shown.encode("utf-8")
    hidden = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
    assert all(unicodedata.category(c) not in hidden or c in JOINERS for c in shown)
    assert display(shown) == shown


@given(st.text(), st.integers(3, 40))
def test_shortened_text_keeps_both_ends_within_its_length(text, longest):
    short = shorten(text, longest)
    assert len(short) == min(len(text), longest)
    assert (short == text) if len(text) <= longest else (text[-1] == short[-1])


@given(st.text())
def test_folder_and_name_lose_nothing(path):
    folder, name = folder_and_name(path)
    assert folder + name == path
    assert "/" not in name


@given(st.floats(0, 1))
def test_only_nothing_and_all_are_written_as_such(fraction):
    assert (percent(fraction) == "0 %") == (fraction == 0)
    assert (percent(fraction) == "100 %") == (fraction == 1)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_quantity_that_is_no_number_is_a_dash(value):
    assert quantity(value, "mV") == "—"
