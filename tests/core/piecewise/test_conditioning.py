"""Large offsets, tiny steps and near-perfect fits lose no more digits than the input's own."""

import numpy as np
import pytest

from core.piecewise import fit_piecewise, fit_smooth_break

N, STEP_NOISE = 2000, 0.5


def series():
    rng = np.random.default_rng(7)
    x = np.arange(N, dtype=np.float64)
    y = 3.0 + 0.01 * x - 0.05 * np.maximum(x - 1229.5, 0) + STEP_NOISE * rng.normal(size=N)
    return x, y


def naive(x, y):
    """One break from raw running sums, as one would write it first; the least rss and its place."""
    sums = np.cumsum([np.ones_like(x), x, x * x, y, x * y, y * y], axis=1)
    total = sums[:, -1:]

    def line(s):
        n, sx, sxx, sy, sxy, syy = s
        det = n * sxx - sx * sx
        b = (n * sxy - sx * sy) / det
        return syy - sy * sy / n - b * (sxy - sx * sy / n)

    cut = slice(2, -3)
    with np.errstate(all="ignore"):
        rss = line(sums[:, cut]) + line(total - sums[:, cut])
    return np.nanmin(rss)


TRANSFORMS = {
    "seconds since 1970": (1.7e9, 1.0, 0.0, 1.0),
    "milliseconds since 1970": (1.7e12, 1e3, 0.0, 1.0),
    "nanoseconds since 1970": (1.7e18, 1e9, 0.0, 1.0),
    "tiny y": (0.0, 1.0, 0.0, 1e-9),
    "y far from 0": (0.0, 1.0, 1e8, 1.0),
    "huge y": (0.0, 1.0, 0.0, 1e200),
    "tiny x": (0.0, 1e-200, 0.0, 1.0),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("shared", [True, False])
def test_offsets_and_scales_change_nothing(name, shared):
    x, y = series()
    plain = fit_piecewise(x, y)
    x0, step, y0, scale = TRANSFORMS[name]
    moved_x, moved_y = x0 + step * x, y0 + scale * y
    if not shared:
        moved_x, moved_y = moved_x[None], moved_y[None]
    fit = fit_piecewise(moved_x, moved_y)
    breaks = (np.ravel(fit.breakpoints) - x0) / step
    rounding = 3 * np.spacing(x0) / step
    np.testing.assert_allclose(breaks, plain.breakpoints, rtol=1e-6 / 1229, atol=rounding)
    if scale < 1e150:
        np.testing.assert_allclose(np.ravel(fit.rss) / scale**2, plain.rss, rtol=1e-9)
    np.testing.assert_allclose(
        np.ravel(fit.slopes) * step / scale, plain.slopes, rtol=1e-7, atol=1e-12
    )


def test_steps_of_a_millisecond_far_from_zero():
    x, y = series()
    plain, fit = fit_piecewise(x, y), fit_piecewise(1e9 + 1e-3 * x, y)
    # x itself is rounded to 1.2e-7, which is 1.2e-4 steps.
    assert (fit.breakpoints[0] - 1e9) * 1e3 == pytest.approx(plain.breakpoints[0], abs=2e-3)
    assert fit.rss == pytest.approx(plain.rss, rel=1e-6)


def test_raw_running_sums_would_have_failed_here():
    x, y = series()
    assert naive(x, y) == pytest.approx(fit_piecewise(x, y).rss, rel=0.01)
    assert naive(1.7e9 + x, y) != pytest.approx(fit_piecewise(x, y).rss, rel=0.01)
    assert naive(x, y + 1e8) != pytest.approx(fit_piecewise(x, y).rss, rel=0.01)


def test_whole_numbers_beyond_what_floats_hold_are_subtracted_first():
    x, y = series()
    ticks = (x * 10).astype(np.int64)
    fit = fit_piecewise(2**62 + ticks, y)
    offset = fit.span.astype(np.float64)
    np.testing.assert_array_equal(fit_piecewise(ticks, y).slopes, fit.slopes)
    assert offset[0] == 2.0**62


def test_datetimes_return_as_datetimes():
    x, y = series()
    seconds = fit_piecewise(x, y, ci="profile")
    for unit, resolution in (("s", 1e-6), ("ms", 1e-6), ("ns", 1e-9)):
        times = np.datetime64("2026-01-01", unit) + (x * 1).astype("timedelta64[s]")
        fit = fit_piecewise(times, y, ci="profile")
        assert fit.breakpoints.dtype.kind == "M"
        away = (fit.breakpoints - np.datetime64("2026-01-01")) / np.timedelta64(1, "s")
        np.testing.assert_allclose(away, seconds.breakpoints, atol=resolution)
        np.testing.assert_array_equal(fit.slopes, seconds.slopes)
        np.testing.assert_array_equal(fit.se_breakpoints, seconds.se_breakpoints)
        assert (fit.ci_breakpoints[0, 0] < fit.breakpoints[0] < fit.ci_breakpoints[0, 1]).all()
        np.testing.assert_allclose(fit.predict(times), seconds.predict(x), atol=1e-6)


def test_a_missing_time_leaves_its_sample_out():
    x, y = series()
    times = np.datetime64("2026-01-01", "s") + x.astype("timedelta64[s]")
    times[5] = np.datetime64("NaT")
    assert fit_piecewise(times, y).n_obs == N - 1


def test_elapsed_times_return_as_elapsed_times():
    x, y = series()
    fit = fit_piecewise(x.astype("timedelta64[s]"), y)
    seconds = fit.breakpoints / np.timedelta64(1, "s")
    np.testing.assert_allclose(seconds, fit_piecewise(x, y).breakpoints, atol=1e-6)


@pytest.mark.parametrize("noise", [1e-6, 1e-9, 1e-12])
def test_a_near_perfect_fit_has_the_noise_for_its_rss(noise):
    rng = np.random.default_rng(3)
    x = np.arange(N, dtype=np.float64)
    error = noise * rng.normal(size=N)
    y = np.abs(x - 1000.25) / 1000 + error
    fit = fit_piecewise(x, y)
    # Two slopes, a level and a break take up four of the degrees of freedom.
    assert fit.rss == pytest.approx((error**2).sum(), rel=0.02)
    assert fit.breakpoints[0] == pytest.approx(1000.25, abs=1e3 * noise + 1e-9)


@pytest.mark.parametrize("pieces", [1, 2, 3, 4])
def test_noise_free_lines_are_recovered(pieces):
    x = np.linspace(0, 9, 181)
    knots = np.array([2.02, 4.51, 7.33])[: pieces - 1]
    y = 1 + 0.5 * x
    for j, knot in enumerate(knots):
        y = y + (-1) ** j * np.maximum(x - knot, 0)
    fit = fit_piecewise(x, y, pieces)
    np.testing.assert_allclose(fit.breakpoints, knots, atol=1e-9)
    assert fit.rss < 1e-24
    assert fit_piecewise(x, y, "auto").n_segments == pieces


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ci", ["profile", "bootstrap", "delta"])
@pytest.mark.parametrize("pieces", [2, 3])
@pytest.mark.parametrize(
    ("scale", "weight"),
    [(10.0**e, 1.0) for e in (-170, 160, 300)] + [(1e10, 1e300), (1e-10, 1e-300)],
)
def test_intervals_and_sigma_scale_with_the_units(ci, pieces, scale, weight):
    x = np.arange(60.0)
    y = np.interp(x, [0, 20, 40, 59], [0, 20, 0, 19]) + np.random.default_rng(0).normal(size=60)
    options = {"n_segments": pieces, "ci": ci, "bootstrap_samples": 50}
    plain = fit_piecewise(x, y + x * (pieces == 2), **options)
    fit = fit_piecewise(
        x,
        scale * (y + x * (pieces == 2)),
        weights=None if weight == 1 else np.full(60, weight),
        **options,
    )
    assert np.isfinite(plain.ci_breakpoints).all()
    assert (np.diff(plain.ci_breakpoints) > 0).all()
    np.testing.assert_allclose(fit.ci_breakpoints, plain.ci_breakpoints, rtol=1e-9)
    np.testing.assert_allclose(fit.ci_slopes / scale, plain.ci_slopes, rtol=1e-9)
    assert fit.sigma / scale / weight**0.5 == pytest.approx(plain.sigma, rel=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
def test_a_smooth_fit_scales_with_the_units(scale):
    x = np.geomspace(1, 1000, 40)
    law = 3.0 * (x / 30) ** -0.5 / np.sqrt(0.5 + 0.5 * (x / 30) ** 4)
    y = law * (1 + 0.01 * np.random.default_rng(0).normal(size=40))
    plain, fit = fit_smooth_break(x, y), fit_smooth_break(x, scale * y)
    for name in ("x_break", "alpha_1", "alpha_2", "delta"):
        assert getattr(fit, name) == pytest.approx(getattr(plain, name), rel=1e-5)
    assert fit.amplitude / scale == pytest.approx(plain.amplitude, rel=1e-5)
    np.testing.assert_allclose(fit.se / [scale, 1, 1, 1, 1], plain.se, rtol=1e-4)
    np.testing.assert_allclose(fit.predict(x) / scale, plain.predict(x), rtol=1e-5)
    heavy = fit_smooth_break(x, y, weights=np.full(40, scale))
    assert heavy.x_break == pytest.approx(plain.x_break, rel=1e-5)
    assert heavy.rss / scale == pytest.approx(plain.rss, rel=1e-9)


@pytest.mark.parametrize("base", [2**63 - 100, 2**63, 2**64 - 3000])
def test_unsigned_whole_numbers_beyond_int64_are_subtracted_first(base):
    x, y = series()
    ticks = x.astype(np.uint64)
    fit, plain = fit_piecewise(np.uint64(base) + ticks, y), fit_piecewise(ticks, y)
    np.testing.assert_array_equal(fit.slopes, plain.slopes)
    assert fit.breakpoints[0] == pytest.approx(base + plain.breakpoints[0], abs=2048)


def test_signed_whole_numbers_over_more_than_int64_holds():
    x, y = series()
    wide = (x - 1000).astype(np.int64) * (2**62 // 250 // 2)
    np.testing.assert_allclose(
        fit_piecewise(wide, y).slopes, fit_piecewise(wide.astype(np.float64), y).slopes, rtol=1e-9
    )
