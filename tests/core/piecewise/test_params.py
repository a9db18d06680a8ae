"""Options: one class, whose names and defaults are the function's; errors name the field."""

import dataclasses
import inspect
import json

import numpy as np
import pydantic
import pytest

from core.piecewise import PiecewiseParams, fit_piecewise

BAD = [
    ({"n_segments": 0}, r"n_segments must be a whole number from 1 to 50 or \"auto\", got 0"),
    ({"n_segments": 2.5}, "n_segments"),
    ({"n_segments": True}, "n_segments"),
    ({"n_segments": "many"}, "n_segments"),
    ({"max_segments": 0}, "max_segments"),
    ({"degree": 3, "continuous": False}, "degree must be a whole number from 0 to 2"),
    ({"degree": 0}, "degree=0 and 2 need continuous=False"),
    ({"min_size": 1}, "min_size must be a whole number from 2"),
    ({"degree": 2, "continuous": False, "min_size": 2}, "min_size must be a whole number from 3"),
    ({"criterion": "mdl"}, "criterion must be bic3 or bic or aic or lwz, got 'mdl'"),
    ({"loss": "l1"}, "loss must be linear or huber"),
    ({"x_transform": "sqrt"}, "x_transform must be log or None"),
    ({"ci": "wald"}, "ci must be profile or bootstrap or delta or None"),
    ({"method": "guess"}, "method must be auto or exact or dp or integral"),
    ({"continuous": "yes"}, "continuous must be true or false"),
    ({"level": 1.0}, "level must be a number from 0.5"),
    ({"level": np.nan}, "level"),
    ({"bootstrap_samples": 10}, "bootstrap_samples"),
    ({"null_samples": -1}, "null_samples"),
    ({"seed": -1}, "seed"),
    ({"slopes": (0.0,)}, "slopes has 1 entries for n_segments=2"),
    ({"slopes": (0.0, None), "n_segments": "auto"}, "slopes has 2 entries"),
    ({"slopes": (0.0, "flat")}, "slopes must be a number"),
    ({"slopes": (1.0, 1.0)}, "leave no break"),
    ({"slopes": (-1.0, -1.0, None), "n_segments": 3}, "leave no break"),
    ({"slopes": (0.0, None), "continuous": False}, "slopes needs continuous=True"),
    ({"ci": "profile", "continuous": False}, "ci needs continuous=True"),
    ({"ci": "delta", "loss": "huber"}, "ci needs loss='linear'"),
    ({"ci": "profile", "slopes": (0.0, None)}, "ci='profile' needs slopes=None"),
    ({"null_samples": 9, "continuous": False}, "null_samples needs"),
    ({"method": "integral", "n_segments": 3}, "method='integral' needs n_segments=2"),
    ({"method": "exact", "n_segments": 4}, "method='exact' needs n_segments of at most 3"),
    ({"method": "exact", "n_segments": "auto"}, "method='exact' needs"),
]


@pytest.mark.parametrize(("options", "words"), BAD)
def test_bad_options_are_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        PiecewiseParams(**options)
    with pytest.raises(ValueError, match=words):
        fit_piecewise(np.arange(9.0), np.arange(9.0), **options)


def test_the_function_and_the_class_have_the_same_options_and_defaults():
    signature = inspect.signature(fit_piecewise).parameters
    options = {n: p.default for n, p in signature.items() if n not in ("x", "y", "weights")}
    fields = {f.name: f.default for f in dataclasses.fields(PiecewiseParams)}
    assert list(options.items()) == list(fields.items())


def test_a_step_can_hand_its_params_over():
    x = np.arange(30.0)
    params = PiecewiseParams(n_segments=3, ci="delta", level=0.9)
    y = np.abs(np.abs(x - 15) - 7)
    fit = fit_piecewise(x, y + 0.1 * np.sin(9 * x), **vars(params))
    assert fit.breakpoints.shape == (2,)
    assert np.isfinite(fit.ci_breakpoints).all()


def test_the_class_becomes_a_form_with_help_for_every_field():
    adapter = pydantic.TypeAdapter(PiecewiseParams)
    properties = adapter.json_schema()["properties"]
    assert set(properties) == {f.name for f in dataclasses.fields(PiecewiseParams)}
    assert all(entry["description"] for entry in properties.values())
    made = adapter.validate_python({"n_segments": "auto", "criterion": "lwz"})
    assert made == PiecewiseParams(n_segments="auto", criterion="lwz")
    assert adapter.validate_json('{"slopes": [0, null]}').slopes == (0, None)
    with pytest.raises(pydantic.ValidationError, match="slope_s"):
        adapter.validate_python({"slope_s": 1})


def test_numbers_of_any_kind_are_kept_as_what_json_holds():
    given = PiecewiseParams(
        n_segments=np.int64(3),
        degree=np.uint8(1),
        continuous=np.True_,
        min_size=np.int32(4),
        level=np.float32(0.75),
        slopes=[np.float64(0.5), None, np.int16(0)],
        seed=np.uint64(7),
    )
    plain = {"n_segments": 3, "continuous": True, "min_size": 4, "level": 0.75, "seed": 7}
    assert given == PiecewiseParams(**plain, slopes=(0.5, None, 0.0))
    assert hash(given) == hash(PiecewiseParams(**plain, slopes=(0.5, None, 0.0)))
    held = json.loads(json.dumps(dataclasses.asdict(given)))
    assert PiecewiseParams(**held) == given
    assert held["continuous"] is True
    assert held["slopes"] == [0.5, None, 0.0]


def test_one_piece_may_have_its_slope_known():
    x = np.arange(9.0)
    free = fit_piecewise(x, x**2, 1)
    assert fit_piecewise(x, x**2, 1, slopes=(None,)).slopes == pytest.approx(free.slopes)
    known = fit_piecewise(x, x**2, 1, slopes=(0.5,))
    assert known.slopes.tolist() == [0.5]
    assert known.intercepts[0] == pytest.approx((x**2 - 0.5 * x).mean())
