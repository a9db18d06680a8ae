"""A run over a hostile archive: every input gets its row, and no input stops another."""

import base64
import csv
import hashlib
import os
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.table import SCHEMA, safe_cell, show_path
from tests.bad_input.entries import without_override

MEGABYTE = 10**6
REPORT = Path(__file__).parents[2] / "tasks/report"


@pytest.fixture(params=["serial", "cluster"])
def run(request, runs):
    return getattr(runs, request.param)


def verdict_of(entry, row):
    """What is wrong with a row; empty if nothing."""
    done = row["status"] in ("ok", "flagged")
    fits = (
        row["status"] in entry.status.split("|")
        and (done or row["code"] in entry.code.split("|"))
        and any(word in row["reason"] for word in entry.word.split("|"))
    )
    got = (row["path"], row["part"], row["status"], row["code"], row["reason"])
    return "" if fits else f"{got}, expected {entry.status} {entry.code} {entry.word}"


def test_every_input_has_the_verdict_it_deserves(runs, run):
    wrong = []
    for entry in runs.archive.entries:
        rows = run.rows.get(show_path(entry.path), [])
        rows = [row for row in rows if entry.part is None or row["part"] == entry.part]
        if len(rows) != entry.parts:
            wrong.append(f"{entry.path}: {len(rows)} rows, expected {entry.parts}")
        wrong += filter(None, (verdict_of(entry, row) for row in rows))
    assert not wrong, "\n".join(wrong)


def test_every_name_has_a_row_and_every_row_a_name(runs, run):
    expected = {show_path(entry.path) for entry in runs.archive.entries}
    assert set(run.rows) == expected
    rows = [row for rows in run.rows.values() for row in rows]
    assert Counter((row["path"], row["part"]) for row in rows).most_common(1)[0][1] == 1
    assert len({row["item"] for row in rows}) == len(rows)
    for parent, _, files in os.walk(runs.archive.root):
        for name in files:
            path = Path(parent, name).relative_to(runs.archive.root)
            above = (path, *path.parents)
            assert any(show_path(os.fsencode(head)) in expected for head in above), path


def test_a_reason_is_given_for_all_that_is_not_ok(run):
    for rows in run.rows.values():
        for row in rows:
            assert (row["status"] == "ok") == (row["reason"] == ""), row
            assert (row["code"] == "") == (row["status"] in ("ok", "flagged")), row


def test_no_failure_is_scalemark_s_own(run):
    codes = {row["code"] for rows in run.rows.values() for row in rows}
    assert not codes & {"internal", "crash", "store-damaged", "timeout"}


def test_both_routes_give_the_same_table(runs):
    here, there = (pq.read_table(run.out / "items.parquet") for run in (runs.serial, runs.cluster))
    assert here.equals(there)


def test_the_command_line_says_that_items_are_quarantined_and_nothing_else(runs):
    assert (runs.cluster.code, runs.cluster.stderr) == (3, "")
    assert (runs.serial.stdout, runs.serial.stderr) == ("", "")
    quarantined = sum(
        row["status"] == "quarantined" for rows in runs.cluster.rows.values() for row in rows
    )
    assert f"{quarantined} quarantined" in runs.cluster.stdout
    printable = runs.cluster.stdout.replace("\n", "")
    assert printable.isprintable(), ascii(printable)


def test_the_source_is_only_read(runs):
    assert runs.after == runs.before
    assert runs.left_behind == []


def test_file_modes_bind_the_runs():
    if without_override() is None:
        pytest.skip("root cannot give up reading everything here: no setpriv")
    assert os.geteuid() != 0 or without_override()


def test_bombs_take_little_memory(runs):
    bombs = [path for path in runs.serial.rows if path.startswith("bombs/")]
    assert len(bombs) == 4
    assert runs.notes["growth"] < 100 * MEGABYTE


class Markup(HTMLParser):
    """Elements, their attributes, and the text of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.links = Counter(), set(), set()
        self.policy, self.scripts, self.kinds = "", [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        values = dict(attrs)
        self.links |= {values[name] for name in ("src", "href", "data", "action") if name in values}
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag == "script":
            self.scripts.append("")
            self.kinds.append(values.get("type", ""))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data


@pytest.fixture
def page(run):
    return Markup((run.out / "report.html").read_text(encoding="utf-8"))


def test_the_report_holds_no_element_that_a_name_brought(page, run):
    written = "".join(path.read_text().lower() for path in REPORT.glob("*.jinja"))
    assert [tag for tag in page.tags if not re.search(rf"<{tag}[ >/]", written)] == []
    assert [name for name in page.attributes if f" {name}" not in written] == []
    assert not [name for name in page.attributes if name.startswith("on")]
    assert page.kinds == ["application/json", ""]
    rows = [row for rows in run.rows.values() for row in rows]
    assert page.tags["article"] == sum(row["status"] in ("ok", "flagged") for row in rows)


def test_the_report_leads_nowhere(page):
    assert page.links
    tables = r"\./(items\.(csv|parquet)|components\.parquet)"
    own = rf"#[a-z]+|data:image/webp;base64,[\w+/=]+|data:,|{tables}"
    assert [link for link in page.links if not re.fullmatch(own, link)] == []


def test_the_report_runs_no_script_but_its_own(page):
    assert "default-src 'none'" in page.policy
    own = (REPORT / "report.js").read_text(encoding="utf-8")
    assert page.scripts[1] == own
    assert not re.search(r"[^0-9\[\], ]", page.scripts[0])
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.policy
    assert "unsafe" not in page.policy


def test_the_report_shows_hostile_names_as_text(run):
    text = (run.out / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in text
    assert "\u202e" not in text
    assert "\\u202e" in text


def test_no_cell_of_the_csv_is_a_formula(run):
    with (run.out / "items.csv").open(newline="", encoding="utf-8") as file:
        cells = [(name, cell) for row in csv.DictReader(file) for name, cell in row.items()]
    bad = [
        (name, cell)
        for name, cell in cells
        if re.match(r"\s*[=+\-@]", cell)
        and not (pa.types.is_floating(SCHEMA.field(name).type) and float(cell) <= 0)
    ]
    assert not bad
    assert any(cell.startswith("'=cmd") for _, cell in cells)
    assert any(cell.startswith("'@SUM") for _, cell in cells)


def test_csv_and_parquet_agree(run):
    rows = pq.read_table(run.out / "items.parquet").to_pylist()
    with (run.out / "items.csv").open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == len(rows)
    for row, line in zip(rows, cells, strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert float(line[name]) == value
            else:
                assert line[name] == ("" if value is None else str(safe_cell(value)))


def test_good_files_among_the_bad_are_processed(runs, run):
    good = [path for path in run.rows if path.startswith("good/")]
    assert len(good) == 15
    assert all(row["status"] in ("ok", "flagged") for path in good for row in run.rows[path])
