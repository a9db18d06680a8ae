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


def test_independent_number_is_the_literal_design_effect():
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 5)
    right = generator.random(100) < np.repeat(generator.random(20), 5)
    share = right.mean()
    totals = [sum(right[group == g] - share) for g in range(20)]
    variance = sum(t * t for t in totals) * 20 / 19 / 100**2
    expected = share * (1 - share) / variance
    np.testing.assert_allclose(measure.independent_number(right, group), expected)
    assert expected < 60


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
