from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.softmax import SoftmaxState, cross_entropy, log_softmax, logsumexp, softmax

Long = np.longdouble
KINDS = [(1, 10), (10, 10), (100, 10), (1, 1000), "dominated", "subnormal", "far from 0"]
LONG_ENOUGH = pytest.mark.skipif(
    np.finfo(Long).nmant < 60, reason="long double is no wider than double here"
)


def literal(logits, temperature=1):
    """Return softmax, its logarithm and logsumexp over the last axis, in long double."""
    rows, temperature = np.sort(logits.astype(Long), axis=-1), Long(temperature)
    top = rows[..., -1:]
    rest = np.exp((rows[..., :-1] - top) / temperature).sum(axis=-1, keepdims=True)
    behind = (logits.astype(Long) - top) / temperature
    whole = (top / temperature + np.log1p(rest))[..., 0]
    return np.exp(behind) / (1 + rest), behind - np.log1p(rest), whole


def ulps(found, exact):
    """Return the greatest error in units of the last place of the result's type."""
    spacing = np.spacing(np.abs(exact).astype(found.dtype)).astype(Long)
    return float(np.max(np.abs(found.astype(Long) - exact) / spacing))


def made(kind):
    rng = np.random.default_rng(5)
    if kind == "dominated":
        return np.concatenate([np.zeros((400, 1)), -rng.uniform(30, 40, (400, 9))], axis=1)
    if kind == "subnormal":
        return np.concatenate([np.zeros((400, 1)), -rng.uniform(700, 745, (400, 9))], axis=1)
    if kind == "far from 0":
        return 5 * rng.standard_normal((400, 3)) - 3e7
    scale, classes = kind
    return scale * rng.standard_normal((400, classes))


@LONG_ENOUGH
@pytest.mark.parametrize("temperature", [1, 1.7, 2**0.5 / 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_results_are_within_two_and_a_half_units_of_the_last_place(kind, temperature):
    logits = made(kind)
    shares, logs, sums = literal(logits, temperature)
    assert ulps(softmax(logits, temperature=temperature), shares) <= 2.5
    assert ulps(log_softmax(logits, temperature=temperature), logs) <= 2.5
    if temperature == 1:  # else some sums are near 0
        assert ulps(logsumexp(logits), sums) <= 2.5


@LONG_ENOUGH
@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
def test_integers_of_every_width_keep_their_order_and_size(dtype):
    ends = (0, 1) if dtype == "?" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    logits = np.array([[ends[0], ends[1], ends[1]], [0, 1, 1], [1, 0, 1]], dtype)
    shares, logs, sums = literal(logits)
    assert ulps(softmax(logits), shares) <= 2.5
    assert ulps(log_softmax(logits), logs) <= 2.5
    assert ulps(logsumexp(logits), sums) <= 2.5
    assert softmax(logits).dtype == np.float64


def test_neighbours_beyond_the_integers_of_a_double_are_told_apart():
    logits = np.array([2**63 - 1, 2**63 - 2], np.int64)
    assert ulps(softmax(logits), literal(np.array([1, 0]))[0]) <= 2.5


@pytest.mark.parametrize("logit", [0.0, -3.7, 1e5 / 3, -7e6, 1e300])
def test_equal_classes_share_alike_and_a_sole_one_has_all(logit):
    for classes in (1, 2, 4, 1024):
        assert softmax([logit] * classes).tolist() == [1 / classes] * classes


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_short_floats_are_summed_in_double_and_rounded_once(dtype):
    equal = np.full(70_000, 3, dtype)
    assert softmax(equal).dtype == dtype
    np.testing.assert_array_equal(softmax(equal), np.full(70_000, 1 / 70_000, dtype))
    assert logsumexp(equal) == dtype(3 + np.log(70_000))
    column = np.random.default_rng(0).standard_normal((3000, 2)).astype(dtype)
    exact = literal(column.T)[0].T
    assert ulps(softmax(column, axis=0), exact) <= 0.51


@pytest.mark.parametrize(
    ("logits", "shares"),
    [
        ([np.inf, 0], [1, 0]),
        ([np.inf, np.inf, -np.inf], [0.5, 0.5, 0]),
        ([-np.inf, -np.inf], [0.5, 0.5]),
        ([1e308, -1e308], [1, 0]),
        ([-np.inf, 0, 0], [0, 0.5, 0.5]),
    ],
)
def test_infinities_are_limits_unless_asked_otherwise(logits, shares):
    assert softmax(logits).tolist() == shares
    with np.errstate(divide="ignore"):
        assert np.exp(log_softmax(logits)).round(15).tolist() == shares
    odd = np.inf in logits or set(logits) == {-np.inf}
    assert bool(np.isnan(softmax(logits, inf="nan")).all()) == odd


def test_nan_makes_its_row_nan_and_no_other():
    found = softmax([[np.nan, 1.0], [0.0, 0.0]])
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == [0.5, 0.5]
    assert np.isnan(logsumexp([np.nan, np.inf]))


def test_no_classes_and_no_rows():
    assert softmax(np.zeros((3, 0))).shape == (3, 0)
    assert logsumexp(np.zeros((3, 0))).tolist() == [-np.inf] * 3
    assert log_softmax(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("axis", [0, 1, 2, -2, None])
def test_any_axis(axis):
    logits = np.random.default_rng(1).normal(0, 5, (3, 4, 5))
    sums = np.exp(logits).sum(axis=axis, keepdims=axis is not None)
    np.testing.assert_allclose(softmax(logits, axis), np.exp(logits) / sums, rtol=1e-13)
    np.testing.assert_allclose(
        logsumexp(logits, axis), np.log(np.exp(logits).sum(axis=axis)), rtol=1e-13
    )


def test_temperature_divides():
    logits = np.random.default_rng(2).normal(0, 5, (30, 7))
    np.testing.assert_allclose(
        softmax(logits, temperature=3.7), literal(logits / 3.7)[0], rtol=1e-14
    )
    np.testing.assert_array_equal(softmax(logits, temperature=4), softmax(logits / 4))
    assert softmax([0, 1], temperature=1e-300).tolist() == [0, 1]


def test_cross_entropy_is_the_loss_and_its_derivative():
    rng = np.random.default_rng(3)
    logits, target = rng.normal(0, 30, (50, 6)), rng.integers(0, 6, 50)
    found = cross_entropy(logits, target, temperature=2.0)
    shares, logs, _ = literal(logits / 2)
    rows = np.arange(50)
    np.testing.assert_allclose(found.loss, -logs[rows, target], rtol=1e-14)
    shares[rows, target] = 0
    shares[rows, target] = -shares.sum(axis=1)
    np.testing.assert_allclose(found.gradient, shares / 2, rtol=1e-13, atol=1e-300)


def test_the_gradient_of_a_confident_row_does_not_cancel():
    found = cross_entropy([[40.0, 0.0]], [0])
    assert found.loss[0] == pytest.approx(np.exp(-40), rel=1e-15)
    np.testing.assert_allclose(found.gradient, [[-np.exp(-40), np.exp(-40)]], rtol=1e-15)


def odd_rows(rng):
    """Return rows that the loops take together although they need different care."""
    rows = 10 * rng.standard_normal((70, 5))
    for kind, at in zip(
        (np.nan, np.inf, -np.inf, 1e7, -4e6, 1e30, -1e300), rng.permutation(70)[:35].reshape(7, 5),
        strict=True,
    ):  # fmt: skip
        rows[at, rng.integers(0, 5, 5)] = kind
    rows[rng.integers(0, 70, 3)] = -np.inf
    return rows


@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("inf", ["limit", "nan"])
def test_a_row_has_the_same_bits_beside_any_others(temperature, inf):
    rows = odd_rows(np.random.default_rng(9))
    for function in (softmax, log_softmax):
        together = function(rows, temperature=temperature, inf=inf)
        alone = [function(row, temperature=temperature, inf=inf) for row in rows]
        np.testing.assert_array_equal(together, alone)
        down = function(rows.T, axis=0, temperature=temperature, inf=inf)
        np.testing.assert_array_equal(together, down.T)
        states = [SoftmaxState.of(part, temperature=temperature) for part in np.split(rows, 5, 1)]
        merged = reduce(SoftmaxState.merge, [states[k] for k in (3, 0, 4, 2, 1)])
        by_states = function(rows, temperature=temperature, inf=inf, state=merged)
        np.testing.assert_array_equal(together, by_states)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([3, 40]),
    st.lists(st.integers(0, 300), max_size=6),
    st.sampled_from([1e-8, 1.0, 30.0, 1e5, 1e7]),
    st.sampled_from([1.0, 0.3, 1e7]),
)
def test_the_same_bits_for_any_cuts_order_and_grouping(seed, rows, cuts, scale, temperature):
    rng = np.random.default_rng(seed)
    logits = scale * rng.standard_normal((rows, 300))
    logits[rng.random(logits.shape) < 0.01] = -np.inf
    whole = SoftmaxState.of(logits, temperature=temperature)
    parts = [
        SoftmaxState.of(part, temperature=temperature)
        for part in np.split(logits[:, rng.permutation(300)], sorted(cuts), axis=1)
    ]
    while len(parts) > 1:
        left, right = (parts.pop(rng.integers(len(parts))) for _ in range(2))
        parts.append(left.merge(right))
    assert parts[0].classes == 300
    assert parts[0].logsumexp().tobytes() == logsumexp(logits, temperature=temperature).tobytes()
    for function in (softmax, log_softmax):
        block = function(logits[:, 40:90], temperature=temperature, state=parts[0])
        of_whole = function(logits, temperature=temperature)[:, 40:90]
        assert block.tobytes() == of_whole.tobytes()
    assert whole.tail.tobytes() == parts[0].tail.tobytes()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: softmax(["a"]), "logits must be booleans"),
        (lambda: softmax([1j]), "got dtype complex128"),
        (lambda: softmax([1.0], axis=1), "axis must be a whole number from -1 to 0"),
        (lambda: softmax([1.0], temperature=0), "temperature"),
        (lambda: softmax([1.0], inf="zero"), "inf must be 'limit' or 'nan'"),
        (lambda: cross_entropy([[1.0, 2.0]], [2]), "classes from 0 to 1, got 2"),
        (lambda: cross_entropy([[1.0, 2.0]], [0.0]), "target must hold integers"),
        (lambda: cross_entropy([[1.0, 2.0]], [0, 1]), r"target must have shape \(1,\)"),
        (lambda: softmax(np.zeros((2, 2)), state=SoftmaxState.of(np.zeros((3, 2)))), "rows of"),
        (
            lambda: SoftmaxState.of([1.0]).merge(SoftmaxState.of([1.0], temperature=2.0)),
            "one temperature",
        ),
        (lambda: softmax(np.zeros(3), state=SoftmaxState.of(np.zeros(2))), "merge the states"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
