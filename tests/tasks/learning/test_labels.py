import csv
from pathlib import Path

import pytest

from tasks.errors import UsageError
from tasks.learning.labels import choose_kind, match, read_labels
from tasks.ledger import Ledger
from tasks.output import Output
from tasks.table import safe_cell


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return read_labels(path)


@pytest.mark.parametrize(
    "text",
    [
        "name,label\na.png,yes\nb.png,no\n",
        "\ufeffname,label\r\na.png,yes\r\nb.png,no\r\n",
        "name;label\na.png;yes\nb.png;no\n",
        "Name\tLabel\na.png\tyes\nb.png\tno\n\n",
        'name,label\n"a.png",yes\nb.png," no "\n',
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path, text):
    assert read(tmp_path, text) == {"a.png": "yes", "b.png": "no"}


def test_names_with_commas_quotes_and_line_breaks_are_read(tmp_path):
    text = 'name,label\n"a, ""b""\n.png",yes\n'
    assert read(tmp_path, text) == {'a, "b"\n.png': "yes"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("name,label\n", "labels nothing"),
        ("name,label\na.png,\n", "labels nothing"),
        ("path,label\na.png,yes\n", "must be `name,label`"),
        ("a.png,yes\n", "must be `name,label`"),
        ("name,label\na.png,yes,1\n", "row 2"),
        ("name,label\n,yes\n", "row 2"),
        ('name,label\n"a.png,yes\n', "no CSV"),
        ("name,label\na.png,yes\nb.png,no\na.png,no\n", "contradicts itself.*'no' and 'yes'"),
    ],
)
def test_what_is_no_file_of_labels_is_refused_with_the_reason(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        read(tmp_path, text)


@pytest.mark.parametrize("name", ["=a", "'=a", "''=a", "-1", "'a", "''", "a'=", "'\n"])
def test_what_the_table_writes_comes_back(tmp_path, name):
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "label"), (safe_cell(name), "yes")])
    assert read_labels(tmp_path / "labels.csv") == {name: "yes"}
    assert safe_cell(name)[0] not in "=+-@"


def test_another_encoding_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(UsageError, match="cannot read the labels"):
        read(tmp_path, "name,label\né.png,yes\n", "latin-1")
    with pytest.raises(UsageError, match="No such file"):
        read_labels(tmp_path / "none.csv")


def test_repeated_and_empty_rows_are_told(tmp_path, notes):
    found = read(tmp_path, "name,label\na.png,yes\na.png,yes\nb.png,\n")
    assert found == {"a.png": "yes"}
    assert sorted(notes) == [
        "1 rows have an empty label and are left out",
        "1 rows repeat what another says",
    ]


@pytest.fixture
def matched(finished):
    def find(labels):
        with Ledger(Output(finished).ledger) as ledger:
            return match(ledger, labels, Path("labels.csv"))

    return find


def test_items_are_found_by_name_also_behind_a_spreadsheet_s_quote(matched):
    [item] = matched({"f0/noisy1.png": "no"})
    assert (item.name, item.label, item.kind) == ("f0/noisy1.png", "no", "image")


def test_unknown_names_are_refused_with_the_nearest(matched):
    words = r"labels 1 items that the run does not have: f0/noisy11.png; the nearest is 'f0/noisy1"
    with pytest.raises(UsageError, match=words):
        matched({"f0/noisy11.png": "no", "f0/clean0.png": "yes"})


def test_an_item_without_features_is_left_out_and_told(out, notes):
    with Ledger(Output(out).ledger) as ledger:
        with ledger.writing():
            ledger.execute(
                "UPDATE item SET status = 'quarantined' WHERE path = ?", (b"f0/noisy1.png",)
            )
        found = match(ledger, {"f0/noisy1.png": "no", "f0/clean0.png": "yes"}, Path("labels.csv"))
    assert [item.name for item in found] == ["f0/clean0.png"]
    assert notes == ["1 labelled items are quarantined: without features, they are left out"]


def test_a_kind_is_chosen_and_mixtures_are_refused(matched):
    both = matched({"f0/noisy1.png": "a", "f0/clean0.png": "b", "s0/flat0.npy": "a"})
    with pytest.raises(UsageError, match="--only images or --only signals"):
        choose_kind(both, "all", Path("labels.csv"))
    kind, left = choose_kind(both, "images", Path("labels.csv"))
    assert (kind, len(left)) == ("image", 2)
    with pytest.raises(UsageError, match="every labelled item is 'a'"):
        choose_kind(both, "signals", Path("labels.csv"))
    with pytest.raises(UsageError, match="labels no signal"):
        choose_kind(matched({"f0/noisy1.png": "a"}), "signals", Path("labels.csv"))


def test_more_labels_than_the_store_holds_are_refused(matched, archive):
    names = [f"f{f}/{('clean', 'noisy')[n % 2]}{n}.png" for f in range(3) for n in range(6)]
    items = matched({name: f"label {n}" for n, name in enumerate(names)})
    with pytest.raises(UsageError, match="has 18 labels, and 16 are the most"):
        choose_kind(items, "all", Path("labels.csv"))
