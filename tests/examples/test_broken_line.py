from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from examples.broken_line import compare

FOLDER = Path(compare.__file__).parent


def blocks(text):
    """The lines of each design about its one series, from its title to its interval."""
    lines, found = text.splitlines(), []
    for k, line in enumerate(lines):
        if line.startswith("x "):
            end = next(j for j in range(k, len(lines)) if "profile interval" in lines[j])
            found.append(lines[k : end + 1])
    return found


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    return tmp_path_factory.mktemp("broken_line") / "lines.svg"


@pytest.fixture
def printed(picture, capsys):
    compare.main(simulations=2, svg=picture)
    return capsys.readouterr().out


def test_the_page_shows_what_the_script_prints(printed):
    page = (FOLDER / "README.md").read_text()
    shown = blocks(page)
    assert len(shown) == len(compare.DESIGNS)
    assert blocks(printed) == shown
    words = page.split("## What to learn")[1]
    assert all(block[-1].split("interval ")[1] in words for block in shown)


def test_the_printed_break_is_within_its_interval_of_the_truth(printed):
    for block in blocks(printed):
        words = block[-1].replace(",", "").split()
        knot, low, high = float(words[1]), float(words[-3]), float(words[-1])
        assert low <= knot <= high
        assert low <= 48.2965 <= high
        exact = next(line for line in block if "exact fit" in line)
        assert float(exact.split()[2]) == knot


def test_the_picture_draws_every_way_and_point(printed, picture):
    for path in (picture, FOLDER / "broken_line.svg"):
        root = ET.fromstring(path.read_text())
        shapes = [node.tag.split("}")[1] for node in root.iter()]
        assert shapes.count("polyline") == len(compare.DESIGNS) * (len(compare.STARTS) + 3)
        points = [node for node in root.iter() if node.get("class") == "point"]
        assert len(points) == sum(design.n for design in compare.DESIGNS)
        texts = {node.text for node in root.iter() if node.tag.endswith("text")}
        assert {*compare.STARTS, compare.INTEGRAL, compare.EXACT} <= texts


@pytest.mark.parametrize("design", compare.DESIGNS, ids=str)
def test_no_way_beats_the_exact_fit(design):
    for x, y in design.series(25):
        found = compare.every_way((x, y))
        for one in found.values():
            rss = ((y - one.model(x)) ** 2).sum()
            np.testing.assert_allclose(one.rss, rss, rtol=1e-9)
            assert rss >= found[compare.EXACT].rss * (1 - 1e-9)


def test_the_truth_has_its_break_where_the_page_says():
    assert f"{compare.TRUTH:.4f}" == "48.2965"
    ends = compare.absolute_lines(
        np.array([20.0, 40.0, compare.TRUTH, 60.0]), compare.A, compare.B, compare.C, compare.D
    )
    np.testing.assert_allclose(ends, [0.124, 0.0418, 0.0076, 0.103], rtol=6e-3)


def test_a_way_that_gives_up_counts_as_a_miss(monkeypatch, tmp_path, capsys):
    def refuse(*_, **__):
        raise RuntimeError("Optimal parameters not found")

    monkeypatch.setattr(compare, "curve_fit", refuse)
    found = compare.every_way(next(compare.DESIGNS[0].series(1)))
    shares = compare.excesses(found)
    assert np.isnan(shares["curve_fit, no guess"])
    assert shares[compare.EXACT] == 0
    compare.main(simulations=2, svg=tmp_path / "lines.svg")
    assert "nan" not in (tmp_path / "lines.svg").read_text()
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "no guess" in line]
    assert rows[1][3:] == ["100%", "100%", "0%", "-", "-", "-"]
