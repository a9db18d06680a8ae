import numpy as np
import pytest

from core.scale_space.gaps import fill_gaps

NAN = np.nan


@pytest.mark.parametrize(
    ("signal", "longest", "expected"),
    [
        ([1.0, NAN, 3.0], 1, [1, 2, 3]),
        ([1.0, NAN, NAN, 4.0], 1, [1, NAN, NAN, 4]),
        ([NAN, 2.0, np.inf, 4.0, NAN], 1, [2, 2, 3, 4, 4]),
        ([NAN, NAN, 2.0, 3.0], 1, [NAN, NAN, 2, 3]),
        ([NAN, NAN], 5, [NAN, NAN]),
        ([1.0, 2.0], 0, [1, 2]),
        ([1.0, NAN, 2.0], 0, [1, NAN, 2]),
        ([], 5, []),
        ([1.7e308, NAN, -1.7e308], 1, [1.7e308, 0, -1.7e308]),
    ],
)
def test_short_gaps_are_bridged_and_long_ones_left(signal, longest, expected):
    given = np.array(signal)
    np.testing.assert_array_equal(fill_gaps(given, longest), expected)
    np.testing.assert_array_equal(given, signal)
