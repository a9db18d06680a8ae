"""Intervals cover as often as they say; the test against no break is right under no break."""

import numpy as np
import pytest

from core.piecewise import fit_piecewise, intervals
from tests.core.piecewise import oracle


def covered(n, noise, ci, samples, n_segments=2, seed=1, **options):
    """Share of noisy series whose interval holds the break of a roof at 0.5."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, n)
    y = np.minimum(x, 1 - x) + noise * rng.normal(size=(samples, n))
    low, high = fit_piecewise(x, y, n_segments, ci=ci, **options).ci_breakpoints[:, 0].T
    return np.mean((low <= 0.5) & (high >= 0.5))


@pytest.mark.parametrize(("n", "noise"), [(20, 0.03), (50, 0.05), (200, 0.1)])
def test_profile_intervals_cover_as_often_as_they_say(n, noise):
    assert 0.93 <= covered(n, noise, "profile", 8000) <= 0.97
    assert 0.87 <= covered(n, noise, "profile", 8000, level=0.9) <= 0.93


def test_delta_intervals_are_too_short():
    assert covered(20, 0.05, "delta", 8000) < covered(20, 0.05, "profile", 8000) - 0.02


def test_bootstrap_intervals_cover_roughly():
    assert 0.88 <= covered(60, 0.05, "bootstrap", 300, bootstrap_samples=400) <= 0.99


def test_the_profile_holds_where_the_sum_of_squares_says():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, w = np.sort(rng.uniform(0, 1, 30)), rng.uniform(0.3, 2, 30)
        y = np.abs(x - 0.6) + 0.1 * rng.normal(size=30)
        fit = fit_piecewise(x, y, weights=w, ci="profile")
        # F(0.95; 1, 26) from the printed tables.
        allowed = fit.rss * (1 + 4.2252 / 26)
        places = np.linspace(x[2], x[-3], 4001)
        rss = np.array([oracle.linear_rss(x, y, w, [k]) for k in places])
        inside = places[rss <= allowed]
        low, high = fit.ci_breakpoints[0]
        if np.isfinite(low):
            step = places[1] - places[0]
            assert low == pytest.approx(inside[0], abs=1.01 * step)
            assert high == pytest.approx(inside[-1], abs=1.01 * step)
        else:
            assert oracle.linear_rss(x, y, w, []) <= allowed * (1 + 1e-4)


def test_without_a_break_the_profile_has_no_end():
    x = np.linspace(0, 1, 50)
    y = 0.01 * np.random.default_rng(0).normal(size=(200, 50))
    ends = fit_piecewise(x, y, ci="profile").ci_breakpoints[:, 0]
    assert np.isinf(ends).all(axis=1).mean() > 0.3
    times = np.datetime64("2026-01-01", "s") + np.arange(50)
    unbounded = fit_piecewise(times, y, ci="profile").ci_breakpoints[:, 0]
    np.testing.assert_array_equal(np.isnat(unbounded), np.isinf(ends))


@pytest.mark.parametrize("ci", ["profile", "bootstrap", "delta"])
def test_intervals_of_several_breaks(ci):
    rng = np.random.default_rng(8)
    x = np.linspace(0, 10, 100)
    y = np.interp(x, [0, 3, 6, 10], [0, 3, 0, 4]) + 0.2 * rng.normal(size=(20, 100))
    fit = fit_piecewise(x, y, 3, ci=ci, bootstrap_samples=200)
    low, high = fit.ci_breakpoints[..., 0], fit.ci_breakpoints[..., 1]
    assert (low < fit.breakpoints).all()
    assert (high > fit.breakpoints).all()
    assert np.mean((low <= [3, 6]) & (high >= [3, 6])) >= 0.85
    assert (high - low < 1.5).all()
    assert (fit.ci_slopes[..., 0] < fit.slopes).all()
    assert np.mean(np.abs(fit.ci_slopes.mean(axis=-1) - fit.slopes)) < 0.05


def test_errors_equal_the_scatter_of_clear_fits():
    rng = np.random.default_rng(9)
    x = np.linspace(0, 10, 120)
    y = np.interp(x, [0, 4, 10], [1, 5, 2]) + 0.1 * rng.normal(size=(4000, 120))
    fit = fit_piecewise(x, y)
    for values, errors in (
        (fit.breakpoints, fit.se_breakpoints),
        (fit.slopes, fit.se_slopes),
        (fit.intercepts, fit.se_intercepts),
    ):
        np.testing.assert_allclose(np.median(errors, axis=0), values.std(axis=0), rtol=0.06)
    assert np.mean(fit.sigma) == pytest.approx(0.1, rel=0.01)


def test_the_bootstrap_is_near_the_delta_error_where_that_is_right():
    rng = np.random.default_rng(10)
    x = np.linspace(20, 60, 200)
    y = 0.2 - 0.004 * x + 0.012 * np.maximum(x - 44, 0) + 0.003 * rng.normal(size=200)
    fit = fit_piecewise(x, y, ci="bootstrap")
    width = np.diff(fit.ci_breakpoints[0])[0]
    assert width == pytest.approx(2 * 1.97 * fit.se_breakpoints[0], rel=0.15)
    again = fit_piecewise(x, y, ci="bootstrap")
    assert again.ci_breakpoints.tobytes() == fit.ci_breakpoints.tobytes()
    other = fit_piecewise(x, y, ci="bootstrap", seed=1)
    assert other.ci_breakpoints.tobytes() != fit.ci_breakpoints.tobytes()


@pytest.mark.parametrize("ties", [False, True])
def test_the_test_against_no_break_is_uniform_without_one(ties):
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 1, 40)) if not ties else np.repeat(np.arange(13.0), 3)
    w = rng.uniform(0.3, 3, x.size)
    y = 5 - 2 * x + rng.normal(size=(1500, x.size)) / np.sqrt(w)
    p = fit_piecewise(x, y, weights=w, null_samples=999).pvalue_no_break
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p <= level) == pytest.approx(
            level, abs=4 * np.sqrt(level * (1 - level) / 1500)
        )


def test_the_test_against_no_break_sees_one():
    x = np.linspace(0, 1, 40)
    y = np.abs(x - 0.4) + 0.05 * np.random.default_rng(0).normal(size=40)
    fit = fit_piecewise(x, y, null_samples=999)
    assert fit.pvalue_no_break == pytest.approx(1e-3)
    assert fit_piecewise(x, y, 4, null_samples=999).pvalue_no_break == fit.pvalue_no_break
    assert np.isnan(fit_piecewise(x, y).pvalue_no_break)


@pytest.mark.parametrize(
    ("n", "noise", "kind"),
    [(300, 0.0, "f4"), (60, 0.0, "f8"), (2000, 1e-6, "f8"), (300, 1e-9, "f8"), (300, 1e-13, "f8")],
)
@pytest.mark.parametrize("options", [{}, {"n_segments": "auto", "max_segments": 2}])
def test_profiles_of_near_perfect_fits_hold_the_break(n, noise, kind, options):
    rng = np.random.default_rng(5)
    x, breaks = np.linspace(0, 1, n), rng.uniform(0.2, 0.8, (25, 1))
    y = rng.uniform(0.5, 2, (25, 1)) * np.abs(x - breaks) + 0.3 * x
    y = y.astype(kind) + noise * rng.normal(size=y.shape)
    fit = fit_piecewise(x, y, ci="profile", **options)
    low, high = fit.ci_breakpoints[:, 0].T
    assert (low <= fit.breakpoints[:, 0]).all()
    assert (fit.breakpoints[:, 0] <= high).all()
    if noise == 1e-6:
        # F(0.95; 1, 1996).
        rise = 3.8461 / 1996
        for s in range(25):
            for end in (low[s], high[s]):
                rss = oracle.linear_rss(x, y[s], np.ones(n), [end])
                assert rss / fit.rss[s] - 1 == pytest.approx(rise, rel=0.01)


def test_profiles_by_refit_and_as_a_ratio_agree(monkeypatch):
    rng = np.random.default_rng(6)
    x = np.linspace(0, 1, 80)
    y = np.abs(x - rng.uniform(0.1, 0.9, (20, 1))) + 1e-3 * rng.normal(size=(20, 80))
    exact = fit_piecewise(x, y, ci="profile").ci_breakpoints

    def nothing(*_):
        """Leave all to the refits."""

    monkeypatch.setattr(intervals.kernels, "profile_rows", nothing)
    np.testing.assert_allclose(fit_piecewise(x, y, ci="profile").ci_breakpoints, exact, atol=1e-9)


@pytest.mark.parametrize("n_segments", [2, 3])
def test_a_bootstrap_is_the_same_in_any_blocks(n_segments, monkeypatch):
    x = np.linspace(0, 10, 61)
    y = np.interp(x, [0, 3, 6, 10], [0, 3, 0, 4]) + 0.2 * np.random.default_rng(8).normal(size=61)
    whole = fit_piecewise(x, y, n_segments, ci="bootstrap", bootstrap_samples=50)
    for drawn in (1, 3 * 61, 1000):
        monkeypatch.setattr(intervals, "_DRAWN", drawn)
        fit = fit_piecewise(x, y, n_segments, ci="bootstrap", bootstrap_samples=50)
        assert fit.ci_breakpoints.tobytes() == whole.ci_breakpoints.tobytes()
        assert fit.ci_slopes.tobytes() == whole.ci_slopes.tobytes()
