import re

import numpy as np
import pytest

from core.peaks import DecomposeParams
from tasks.report.sparklines import polyline
from tasks.report.structure import FINGERPRINT_HEIGHT, READ, draw_structure
from tasks.scale_space import StructureParams, structure_of
from tasks.store import CROSSINGS, SCALES

X = np.arange(300.0)
CLEAN = 7 + 2 * np.exp(-0.5 * ((X - 90) / 12) ** 2) + np.exp(-0.5 * ((X - 200) / 20) ** 2)
SIGNAL = CLEAN + 0.01 * np.random.default_rng(0).standard_normal(300)


def structure(x, signal, **options):
    found = structure_of(x, signal, StructureParams(**options))
    return {variable.name: found[variable.name] for variable in READ}


def points(path):
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), dtype=float)


def test_the_model_lies_on_the_outline_and_components_below_it():
    drawn = draw_structure(SIGNAL, X, structure(X, SIGNAL), "constant", "nm")
    own = points(polyline(CLEAN, SIGNAL.min(), SIGNAL.max()))
    model = points(drawn.model)
    np.testing.assert_allclose(np.interp(own[:, 0], *model.T), own[:, 1], atol=1.0)
    assert len(drawn.components) == 2
    for path in drawn.components:
        assert (points(path)[:, 1] >= points(drawn.model)[:, 1] - 0.2).all()
    assert re.fullmatch(r"2 Gaussians at (89|90)[.\d]*, (199|200)[.\d]*", drawn.text)
    assert drawn.notes == ""


def test_crossings_are_dots_within_the_drawing_coarse_scales_on_top():
    found = structure(X, CLEAN)
    dots = points(draw_structure(CLEAN, X, found, "constant", "1").crossings)
    assert dots[:, 1].min() < 0.1 * FINGERPRINT_HEIGHT
    assert dots[:, 1].max() > 0.9 * FINGERPRINT_HEIGHT
    finest = dots[dots[:, 1] == dots[:, 1].max(), 0]
    np.testing.assert_allclose(np.sort(finest), 2 * np.array([78, 102, 180, 220]) + 1, atol=4)


def test_scales_with_more_crossings_than_are_kept_are_shaded_at_the_bottom():
    wave = np.sin(X)
    crowded = int((structure(X, wave)["n_crossings"] > CROSSINGS).sum())
    assert 0 < crowded < SCALES
    drawn = draw_structure(wave, X, structure(X, wave), "constant", "1")
    assert drawn.crowded == FINGERPRINT_HEIGHT * crowded / SCALES
    assert points(drawn.crossings)[:, 1].max() < FINGERPRINT_HEIGHT - drawn.crowded
    assert draw_structure(CLEAN, X, structure(X, CLEAN), "constant", "1").crowded == 0


def test_a_signal_without_components_or_along_no_axis_has_no_curves():
    noise = np.random.default_rng(2).standard_normal(300)
    found = structure(X, noise)
    assert draw_structure(noise, X, found, "constant", "1").text == "no Gaussian"
    shuffled = np.random.default_rng(0).permutation(X)
    unordered = draw_structure(SIGNAL, shuffled, structure(X, SIGNAL), "constant", "1")
    assert unordered.model == unordered.crossings == ""
    assert unordered.text.startswith("2 Gaussians at")


def test_falling_positions_are_drawn_too():
    falling = X[::-1].copy()
    rising = draw_structure(SIGNAL, X, structure(X, SIGNAL), "constant", "1")
    drawn = draw_structure(SIGNAL, falling, structure(falling, SIGNAL), "constant", "1")
    np.testing.assert_allclose(points(drawn.model), points(rising.model), atol=0.3)
    assert drawn.crossings == rising.crossings


def test_the_chosen_baseline_is_drawn_wherever_x_starts():
    decay = 20 * np.exp(-X / 60)
    for start in (0.0, 1e5):
        found = structure(start + X, SIGNAL + decay)
        assert found["baseline_kind"] == 3
        drawn = draw_structure(SIGNAL + decay, start + X, found, "exponential", "1")
        own = points(polyline(CLEAN + decay, (SIGNAL + decay).min(), (SIGNAL + decay).max()))
        model = points(drawn.model)
        height = np.interp(own[:, 0], model[:, 0], model[:, 1])
        np.testing.assert_allclose(height, own[:, 1], atol=1.0)


def test_components_that_are_not_determined_are_told():
    found = structure(X, SIGNAL + 0.05 * X, decompose=DecomposeParams())
    assert (
        "not all of them are determined"
        in draw_structure(SIGNAL + 0.05 * X, X, found, "constant", "1").notes
    )


def test_why_there_is_nothing_is_told():
    for signal, text in (
        (np.full(300, np.nan), "fewer than 8 finite samples"),
        (np.zeros(300), "constant or straight"),
        (1e299 * SIGNAL, "not finite or beyond 1e150"),
    ):
        drawn = draw_structure(signal, X, structure(X, signal), "constant", "1")
        assert text in drawn.text
    for at, value, words in (
        (slice(10, 30), np.nan, "no crossings: a gap is too long"),
        (slice(None), np.nan, "no crossings: no sample is finite"),
        (slice(150, 151), -2e300, "no crossings: a value is beyond 1e300"),
    ):
        odd = SIGNAL.copy()
        odd[at] = value
        assert draw_structure(odd, X, structure(X, odd), "constant", "1").notes == words


def test_a_component_narrower_than_a_column_keeps_its_height_and_place():
    x = np.arange(10_000.0)
    signal = np.exp(-0.5 * ((x - 5000.3) / 2) ** 2)
    signal += 0.002 * np.random.default_rng(3).standard_normal(x.size)
    for places in (x, x[::-1].copy(), x + (x > 7000) - (x > 7001)):
        drawn = draw_structure(
            signal, places, structure(places, signal, longest=20_000), "constant", "1"
        )
        top = points(drawn.model)
        across, down = top[np.argmin(top[:, 1])]
        own = points(polyline(signal, signal.min(), signal.max(), (x + 0.5) * 0.06))
        assert (across, down) == pytest.approx(own[np.argmin(own[:, 1])], abs=1)
        assert np.diff(top[:, 0]).min() >= 0


def test_decades_lie_at_their_rows():
    found = structure(X, CLEAN)
    drawn = draw_structure(CLEAN, X, found, "constant", "1")
    assert [tick.text for tick in drawn.decades] == ["1", "10"]
    step = FINGERPRINT_HEIGHT / SCALES
    for tick, sigma in zip(drawn.decades, (1.0, 10.0), strict=True):
        row = np.interp(np.log(sigma), np.log(found["scale"]), np.arange(SCALES))
        assert tick.at == pytest.approx(FINGERPRINT_HEIGHT - (row + 0.5) * step, abs=0.06)
    far = draw_structure(CLEAN, X, found | {"scale": np.geomspace(0.5, 1e8, SCALES)}, "none", "1")
    assert [tick.text for tick in far.decades] == ["1", "100", "10000", "1e+06", "1e+08"]
    one = draw_structure(CLEAN, X, found | {"scale": np.full(SCALES, 0.5)}, "none", "1")
    assert one.decades == ()


def test_a_broken_invariant_is_told():
    found = structure(X, CLEAN)
    assert draw_structure(CLEAN, X, found, "constant", "1").notes == ""
    drawn = draw_structure(CLEAN, X, found | {"faults": 3}, "constant", "1")
    assert drawn.notes.startswith("3 crossings have none at the finer scale")
