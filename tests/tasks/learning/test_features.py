import math

import numpy as np
import pytest
import xarray as xr

from tasks.learning.features import feature_names, feature_steps, matrix
from tasks.output import Output
from tasks.scalars import SHAPES


def shapes(fits, structure, told):
    """Say the same slowly, from lists without gaps."""
    slopes = [v for v in fits.slope.values if not math.isnan(v)]
    heights = [v for v in structure.amplitude.values if not math.isnan(v)]
    widths = [v for v in structure.sigma.values if not math.isnan(v)]
    largest = max(range(len(heights)), key=lambda n: abs(heights[n])) if heights else None
    return {
        "steepest_slope": sorted(slopes, key=abs)[-1],
        "slope_range": max(slopes) - min(slopes),
        "residual_fraction": float(fits.sigma) / (told["maximum"] - told["minimum"]),
        "largest_amplitude": math.nan if largest is None else heights[largest],
        "largest_sigma": math.nan if largest is None else widths[largest],
        "stable_sigma": float(structure.stable_sigma),
        "stable_lifetime": float(structure.stable_lifetime),
    }


def test_a_signal_s_shape_is_read_from_its_pieces_and_gaussians(finished, table):
    tree = xr.open_datatree(Output(finished).store, engine="zarr", consolidated=False)
    found = 0
    for row in table(finished).values():
        if row["kind"] == "signal":
            groups = (
                tree[f"{name}/{row['stack']}"].dataset.isel(series=row["slot"]).load()
                for name in ("pieces", "scale_space")
            )
            expected = shapes(*groups, row)
            told = {name: math.nan if row[name] is None else row[name] for name in expected}
            np.testing.assert_equal(told, expected)
            found += row["largest_amplitude"] is not None
    assert found >= 6  # those with bumps


def test_a_rule_learns_from_the_shape_what_the_table_tells(finished, table):
    names = feature_names("signal")
    rows = [row for row in table(finished).values() if row["kind"] == "signal"]
    values = matrix(Output(finished), "signal", names, [(r["stack"], r["slot"]) for r in rows])
    expected = [[np.nan if row[n] is None else row[n] for n in names] for row in rows]
    np.testing.assert_array_equal(values, np.array(expected, float))
    assert {shape.name for shape in SHAPES} <= set(names)


def test_what_comes_of_two_steps_needs_both():
    assert feature_steps("signal", ["residual_fraction"]) == ("piecewise", "describe")
    assert feature_steps("signal", ["largest_sigma", "mean"]) == ("scale space", "describe")


@pytest.mark.parametrize(
    ("name", "arrays", "expected"),
    [
        ("steepest_slope", [[[1.0, -3, np.nan], [np.nan] * 3]], [-3, np.nan]),
        ("slope_range", [[[1.0, -3, np.nan], [np.nan] * 3]], [4, np.nan]),
        ("residual_fraction", [[1.0, 1, np.nan], [0.0, 2, 0], [4.0, 2, 1]], [0.25, np.nan, np.nan]),
        ("largest_sigma", [[[1.0, -3], [np.nan, np.nan]], [[5.0, 7], [np.nan, np.nan]]],
         [7, np.nan]),
    ],
)  # fmt: skip
def test_gaps_are_gaps(name, arrays, expected):
    [shape] = [one for one in SHAPES if one.name == name]
    np.testing.assert_array_equal(shape.work(*map(np.array, arrays)), expected)
