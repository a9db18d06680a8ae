import re

import numpy as np
import pytest

from tasks.report.sparklines import HEIGHT, MARGIN, WIDTH, sparkline

NAN = float("nan")


def points(path):
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), dtype=float)


def test_one_spike_among_a_million_samples_is_drawn():
    signal = np.zeros(1_000_000)
    signal[654_321] = 1.0
    drawing = sparkline(signal)
    across, down = points(drawing.path).T
    assert drawing.filled
    assert down.min() == MARGIN
    assert across[down == MARGIN].tolist() == pytest.approx([0.654321 * WIDTH], abs=WIDTH / 300)


def test_the_extremes_touch_the_margins():
    _, down = points(sparkline(np.random.default_rng(0).normal(size=5000)).path).T
    assert (down.min(), down.max()) == (MARGIN, HEIGHT - MARGIN)


def test_a_column_spans_its_least_and_greatest_sample():
    signal = np.tile([0.0, 1.0, 3.0, 4.0], 500)
    _, down = points(sparkline(signal, columns=50).path).T
    assert down.tolist() == [MARGIN] * 50 + [HEIGHT - MARGIN] * 50


def test_a_gap_breaks_the_line_and_is_marked():
    signal = np.arange(1000.0)
    signal[400:600] = NAN
    drawing = sparkline(signal, columns=100)
    assert drawing.path.count("M") == 2
    assert [(gap.x, gap.width) for gap in drawing.gaps] == [(0.4 * WIDTH, 0.2 * WIDTH)]
    assert drawing.holes == ()


def test_columns_with_some_samples_missing_are_marked_and_drawn():
    signal = np.arange(1000.0)
    signal[505] = np.inf
    drawing = sparkline(signal, columns=100)
    assert drawing.path.count("M") == 1
    assert drawing.gaps == ()
    assert [(hole.x, hole.width) for hole in drawing.holes] == [(0.5 * WIDTH, 0.01 * WIDTH)]


def test_a_lone_sample_becomes_a_dot():
    assert sparkline([NAN, 1.0, NAN]).path == f"M{WIDTH / 2:g} {HEIGHT / 2:g}h0"


@pytest.mark.parametrize("signal", [[], [NAN, NAN], [np.inf]])
def test_without_finite_samples_nothing_is_drawn(signal):
    drawing = sparkline(signal)
    assert drawing.path == ""
    assert sum(gap.width for gap in drawing.gaps) == (WIDTH if signal else 0)


def test_a_constant_lies_in_the_middle():
    _, down = points(sparkline(np.full(2000, 7.0)).path).T
    assert set(down) == {HEIGHT / 2}


def test_the_widest_range_of_floats_does_not_overflow():
    largest = np.finfo(float).max
    _, down = points(sparkline([-largest, 0.0, largest]).path).T
    assert down.tolist() == [HEIGHT - MARGIN, HEIGHT / 2, MARGIN]


def test_a_long_signal_stays_small():
    assert len(sparkline(np.random.default_rng(0).normal(size=100_000)).path) < 8000


def test_two_axes_are_refused():
    with pytest.raises(ValueError, match=r"got shape \(2, 3\)"):
        sparkline(np.zeros((2, 3)))
