import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.model_selection import StratifiedGroupKFold

from core import evaluation as measure


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_wilson_is_scipy_s(number, share, level):
    right = round(share * number)
    expected = binomtest(right, number).proportion_ci(level, method="wilson")
    np.testing.assert_allclose(measure.wilson(right, number, level), expected, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_folds_part_no_group_and_are_as_even_as_scikit_learn_s(seed, folds):
    generator = np.random.default_rng(seed)
    group = generator.integers(0, 12, 60)
    _, group = np.unique(group, return_inverse=True)
    label = generator.integers(0, 3, 60)
    fold = measure.grouped_folds(label, group, folds, seed=seed)
    assert {len(set(fold[group == g])) for g in range(group.max() + 1)} == {1}
    assert set(fold) == set(range(folds))
    theirs = np.empty(60, int)
    kfold = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for k, (_, held) in enumerate(kfold.split(label, label, group)):
        theirs[held] = k
    assert unevenness(label, fold) <= unevenness(label, theirs) + 0.1


def unevenness(label, fold):
    table = metrics.cluster.contingency_matrix(fold, label) / np.bincount(label)
    return table.std(axis=0).mean()


def test_more_folds_than_groups_are_refused():
    with pytest.raises(ValueError, match="number of groups, 2, got 3"):
        measure.grouped_folds([0, 1, 0], [0, 1, 1], 3)


def test_independent_number_is_the_literal_robust_variance():
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 5)
    right = generator.random(100) < np.repeat(generator.random(20), 5)
    share = right.mean()
    totals = [sum(right[group == g] - share) for g in range(20)]
    variance = sum(t * t / (1 - 5 / 100) for t in totals) / 100**2
    expected = share * (1 - share) / variance
    np.testing.assert_allclose(measure.independent_number(right, group), expected)
    assert expected < 60


def test_a_group_that_outweighs_the_others_counts_by_the_correlation():
    # The share is nearly that group's own, so that its residual is small whatever it is.
    sizes, rights = np.array([400, 10, 10, 10]), np.array([280, 2, 9, 6])
    group = np.repeat(np.arange(4), sizes)
    right = np.concatenate([np.arange(n) < k for n, k in zip(sizes, rights, strict=True)])
    square = np.array([(r - right.mean()) ** 2 for r in right])
    means = np.repeat(rights / sizes, sizes)
    within = ((right - means) ** 2).sum() / (430 - 4)
    between = (square.sum() - ((right - means) ** 2).sum()) / 3
    usual = (430 - (sizes**2).sum() / 430) / 3
    correlation = (between - within) / (between + (usual - 1) * within)
    expected = 430 / (1 + ((sizes**2).sum() / 430 - 1) * correlation)
    np.testing.assert_allclose(measure.independent_number(right, group), expected)


GROUPS = [[50] * 2, [50] * 3, [50] * 5, [400] + [10] * 7, [200, 100, 50, 25, 10, 5], [1] * 60]


@pytest.mark.parametrize("sizes", GROUPS, ids=lambda sizes: f"{len(sizes)} of {max(sizes)}")
@pytest.mark.parametrize("within", [0.05, 0.2, 0.5])
def test_the_interval_covers_the_share_as_often_as_it_says(sizes, within):
    generator = np.random.default_rng(0)
    group, share, strength = np.repeat(np.arange(len(sizes)), sizes), 0.7, 1 / within - 1
    covered = 0
    for _ in range(600):
        own = generator.beta(share * strength, (1 - share) * strength, len(sizes))
        low, high = measure.grouped_interval(generator.random(group.size) < own[group], group)
        covered += low <= share <= high
    # One group of 400 that hangs together weakly is the worst: seven of ten hardly show how much.
    assert covered / 600 >= (0.85 if (max(sizes), within) == (400, 0.05) else 0.9)


def test_the_interval_of_single_items_is_wilson_s_and_few_groups_widen_it():
    right = np.arange(30) < 21
    alone = measure.grouped_interval(right, np.arange(30))
    number = measure.independent_number(right, np.arange(30))
    assert alone == measure.wilson(0.7 * number, number)
    # Two folders of the same accuracy do not make all their items independent.
    low, high = measure.grouped_interval(np.tile(np.arange(100) < 70, 2), np.repeat([0, 1], 100))
    assert high - low > 0.6
    assert measure.grouped_interval(np.ones(9), np.repeat([0, 1, 2], 3)) == measure.wilson(3, 3)
    assert measure.grouped_interval(right, np.zeros(30)) == measure.wilson(0.7, 1)


def test_groups_of_twins_count_once_and_single_items_never_more_than_once():
    generator = np.random.default_rng(1)
    right = generator.random(30) < 0.6
    twins = measure.independent_number(np.repeat(right, 4), np.repeat(np.arange(30), 4))
    np.testing.assert_allclose(twins, 30 * 29 / 30)
    assert measure.independent_number(right, np.arange(30)) <= 30
    assert measure.independent_number(np.ones(12), np.repeat(np.arange(3), 4)) == 3


def test_losses_and_counts_are_scikit_learn_s():
    generator = np.random.default_rng(2)
    chances = generator.dirichlet(np.ones(3), 50)
    label = np.concatenate([np.arange(3), generator.integers(0, 3, 47)])
    told = chances.argmax(axis=1)
    np.testing.assert_allclose(
        measure.log_loss(chances, label), metrics.log_loss(label, chances), rtol=1e-12
    )
    np.testing.assert_array_equal(
        measure.confusion(label, told, 3), metrics.confusion_matrix(label, told)
    )
    assert measure.log_loss([[1.0, 0.0]], [1]) == pytest.approx(15 * np.log(10))


def test_calibration_is_scikit_learn_s_curve():
    generator = np.random.default_rng(3)
    told = generator.uniform(0.3, 1.0, 400)
    right = generator.random(400) < told
    bins = measure.calibration(told, right)
    share, mean = calibration_curve(right, told, n_bins=10)
    np.testing.assert_allclose([one.right for one in bins], share)
    np.testing.assert_allclose([one.told for one in bins], mean)
    weights = np.array([one.number for one in bins]) / 400
    np.testing.assert_allclose(measure.calibration_error(bins), weights @ np.abs(share - mean))


def test_calibration_minds_the_groups():
    told, right = np.full(60, 0.75), np.arange(60) % 3 > 0
    [alone] = measure.calibration(told, right)
    [twins] = measure.calibration(told.repeat(8), right.repeat(8), np.arange(60).repeat(8))
    np.testing.assert_allclose(twins.interval, alone.interval, atol=0.01)
    assert twins.number == 480


def test_only_a_feature_that_is_used_costs_when_it_is_shuffled():
    generator = np.random.default_rng(4)
    values = generator.normal(size=(300, 2))
    label = (values[:, 0] > 0).astype(int)

    def probabilities(x):
        second = 1 / (1 + np.exp(-3 * x[:, 0]))
        return np.stack([1 - second, second], axis=1)

    grown = measure.permutation_losses(probabilities, values, label, repeats=3)
    assert grown.shape == (2, 3)
    assert (grown[1] == 0).all()
    assert (grown[0] > 0.5).all()
