import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import StandardScaler

from core.design import Design, learn_design

NAMES = ["a", "b", "c", "d"]


def table(seed, items=30, missing=0.2):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(items, 4)) * [1.0, 1e6, 1e-6, 3.0] + [0.0, 5e6, 0.0, 1.0]
    values[generator.random(values.shape) < missing] = np.nan
    return values


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_columns_are_those_of_scikit_learn_s_imputer_indicator_and_scaler(seed):
    trained, other = table(seed), table(seed + 1)
    design = learn_design(trained, NAMES)
    imputer, indicator = SimpleImputer(strategy="median"), MissingIndicator(features="all")
    filled, gaps = imputer.fit_transform(trained), indicator.fit_transform(trained)
    _, first = np.unique(gaps, axis=1, return_index=True)
    own = [n for n in sorted(first) if gaps[:, n].any()]
    assert design.names == (*NAMES, *(f"{NAMES[n]} missing" for n in own))
    raw = np.concatenate([filled, gaps[:, own]], axis=1)
    scaler = StandardScaler().fit(raw)
    np.testing.assert_allclose(design.columns(trained), scaler.transform(raw), atol=1e-9)
    given_raw = np.concatenate(
        [imputer.transform(other), indicator.transform(other)[:, own]], axis=1
    )
    np.testing.assert_allclose(design.columns(other), scaler.transform(given_raw), atol=1e-9)


def test_what_is_the_same_or_missing_everywhere_is_dropped():
    values = table(0, missing=0.0)
    values[:, 1], values[:, 2] = 7.0, np.nan
    design = learn_design(values, NAMES)
    assert design.names == ("a", "d")
    assert design.dropped == ("b", "c")
    assert np.isfinite(design.columns(np.full((2, 4), np.nan))).all()


def test_features_that_the_same_items_lack_share_a_column():
    values = table(0, missing=0.0)
    values[:5, [0, 2]] = np.nan
    values[3:9, 3] = np.nan
    assert learn_design(values, NAMES).names == (*NAMES, "a missing", "d missing")


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e200, np.nan])
def test_what_is_no_usable_number_counts_as_missing(bad):
    values = table(0, missing=0.0)
    holes = values.copy()
    values[0, 0], holes[0, 0] = bad, np.nan
    assert learn_design(values, NAMES) == learn_design(holes, NAMES)


def test_a_gap_that_training_never_saw_is_counted():
    values = table(0, missing=0.0)
    values[0, 1] = np.nan
    design = learn_design(values, NAMES)
    holes = np.full((3, 4), np.nan)
    assert design.unforeseen(holes) == {"a": 3, "c": 3, "d": 3}
    assert design.unforeseen(values) == {}


@pytest.mark.parametrize("values", [np.zeros((0, 4)), np.zeros((3, 3)), np.zeros(4)])
def test_values_of_another_shape_are_refused(values):
    with pytest.raises(ValueError, match=r"4 features|at least one item"):
        learn_design(values, NAMES)


@pytest.mark.parametrize(
    "change",
    [{"scale": (1.0, 0.0)}, {"mean": (0.0,)}, {"median": (np.nan, 0.0)}, {"kept": (0, 9)}],
)
def test_a_design_that_cannot_be_is_refused(change):
    whole = {
        "features": ("a", "b"), "kept": (0, 1), "median": (0.0, 0.0), "missed": (), "gaps": (),
        "mean": (0.0, 0.0), "scale": (1.0, 1.0),
    }  # fmt: skip
    Design(**whole)
    with pytest.raises(ValueError, match=r"design|finite|features"):
        Design(**(whole | change))


@pytest.mark.parametrize("unit", [2.0**-960, 2.0**-700, 2.0**400])
def test_columns_do_not_depend_on_the_unit(unit):
    """Squares of values around 1e-289 or 1e-210 are no numbers; powers of two round nothing."""
    values = table(0, missing=0.0)[:, :1]
    columns = learn_design(values * unit, NAMES[:1]).columns(values * unit)
    np.testing.assert_array_equal(columns, learn_design(values, NAMES[:1]).columns(values))
    far = learn_design(values * unit, NAMES[:1]).columns([[1e150]])
    assert np.isfinite(far).all()


@pytest.mark.parametrize("offset", [0.1, -1e9, 1e-200])
def test_what_differs_by_rounding_alone_is_dropped(offset):
    values = np.full((30, 2), offset)
    values[0, 0] = np.nextafter(offset, np.inf)
    values[:, 1] *= 1 + 1e-12 * np.arange(30)
    design = learn_design(values, NAMES[:2])
    assert design.names == ("b",)
    np.testing.assert_allclose(design.columns(values).std(), 1.0, rtol=1e-3)
