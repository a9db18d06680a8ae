import re

import numpy as np
import pytest

from core.piecewise import fit_piecewise
from tasks.piecewise import FIELDS
from tasks.report.fits import draw_fit, position
from tasks.report.sparklines import HEIGHT, MARGIN, WIDTH, polyline


def fitted(x, y, **options):
    fit = fit_piecewise(x[None], y[None], ci="profile", **options)
    return {name: getattr(fit, field)[0] for name, (field, _) in FIELDS.items()}


def points(path):
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), dtype=float)


def test_pieces_lie_on_the_outline_of_a_signal_without_noise():
    x = np.arange(200.0)
    signal = np.abs(x - 60.4)
    drawn = draw_fit(signal, x, fitted(x, signal), log=False, units="s")
    own = points(polyline(signal, signal.min(), signal.max()))
    np.testing.assert_allclose(points(drawn.path), own, atol=0.11)
    assert drawn.breaks[0] == pytest.approx((60.4 + 0.5) * WIDTH / 200, abs=0.1)
    assert drawn.text == "2 pieces, breaks at 60.4 s"


def test_intervals_are_drawn_about_their_breaks_and_told():
    x = np.arange(120.0)
    signal = np.abs(x - 50) + 3 * np.random.default_rng(1).standard_normal(120)
    drawn = draw_fit(signal, x, fitted(x, signal), log=False, units="1")
    [interval], [at] = drawn.intervals, drawn.breaks
    assert interval.x < at < interval.x + interval.width
    low, high = map(float, drawn.sure.split(" to "))
    assert low < 50 < high


def test_a_line_that_leaves_the_drawing_is_cut_at_its_edges():
    x = np.arange(50.0)
    signal = np.zeros(50)
    signal[10:20] = np.nan
    signal[-3:] = 9.0
    drawn = draw_fit(signal, x, fitted(x, signal), log=False, units="")
    down = points(drawn.path)[:, 1]
    assert down.min() >= MARGIN
    assert down.max() <= HEIGHT - MARGIN


def test_a_logarithmic_axis_is_drawn_by_its_own_pieces():
    x = np.geomspace(1, 1e4, 150)
    signal = np.abs(np.log(x) - 4)
    drawn = draw_fit(signal, x, fitted(x, signal, x_transform="log"), log=True, units="Hz")
    own = points(polyline(signal, signal.min(), signal.max()))
    np.testing.assert_allclose(points(drawn.path), own, atol=0.11)


def test_no_break_is_said_and_unordered_positions_are_told_only_in_words():
    x = np.arange(30.0)
    assert (
        draw_fit(x, x, fitted(x, x, n_segments=1), False, "1").text == "1 straight line, no break"
    )
    shuffled = np.random.default_rng(0).permutation(x)
    drawn = draw_fit(
        np.abs(shuffled - 9.5), shuffled, fitted(x, np.abs(x - 9.5)), log=False, units="1"
    )
    assert (drawn.path, drawn.text) == ("", "2 pieces, breaks at 9.5")


def test_falling_positions_are_drawn_too():
    x = np.arange(200.0)[::-1].copy()
    signal = np.abs(x - 60.4)
    drawn = draw_fit(signal, x, fitted(x, signal), log=False, units="1/cm")
    own = points(polyline(signal, signal.min(), signal.max()))
    np.testing.assert_allclose(points(drawn.path), own, atol=0.11)
    assert drawn.breaks[0] == pytest.approx((199 - 60.4 + 0.5) * WIDTH / 200, abs=0.1)
    assert drawn.intervals[0].width >= 1


def test_a_signal_without_fit_says_why():
    fit = {"status": 3, "n_segments": 0}
    drawn = draw_fit(np.full(5, np.nan), np.arange(5.0), fit, log=False, units="1")
    assert (drawn.path, drawn.text) == ("", "no pieces: no finite sample")


@pytest.mark.parametrize(
    ("value", "units", "span", "text"),
    [
        (60.4, "s", 199.0, "60.4"),
        (1970.702, "year", 144.0, "1970.7"),
        (1.7e18 + 5e11, "1", 1e12, "1.7000005e+18"),
        (1e20, "s since 1970-01-01", 1e19, "1e+20"),
        (-1e300, "1", 1e300, "-1e+300"),
        (0.0, "1", 0.0, "0"),
        (1e-200, "1", 1e-199, "1e-200"),
        (90061.0, "s since 1970-01-01", 3600.0, "1970-01-02 01:01:01"),
    ],
)
def test_positions_are_told_as_finely_as_the_drawing_shows(value, units, span, text):
    assert position(value, units, span) == text


def test_times_are_told_as_dates():
    x = 1.6e9 + 86400.0 * np.arange(400)
    signal = np.abs(np.arange(400) - 100.0)
    drawn = draw_fit(signal, x, fitted(x, signal), log=False, units="s since 1970-01-01")
    assert drawn.text == "2 pieces, breaks at 2020-12-22"
