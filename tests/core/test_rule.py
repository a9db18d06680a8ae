import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from core.design import learn_design
from core.rule import LinearRule


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_probabilities_are_scikit_learn_s(labels):
    generator = np.random.default_rng(labels)
    values = generator.normal(size=(200, 4)) * [1, 100, 0.01, 3]
    label = (values @ generator.normal(size=(4, labels)) / [1, 1, 1, 1, 1][:labels]).argmax(1)
    design = learn_design(values, "abcd")
    peer = LogisticRegression().fit(design.columns(values), label)
    rule = LinearRule.of(design, peer.coef_, peer.intercept_)
    np.testing.assert_allclose(
        rule.probabilities(values), peer.predict_proba(design.columns(values)), atol=1e-12
    )


def test_one_against_the_rest_is_scikit_learn_s():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 4))
    label = (values @ generator.normal(size=(4, 3))).argmax(1)
    design = learn_design(values, "abcd")
    peer = OneVsRestClassifier(LogisticRegression()).fit(design.columns(values), label)
    rule = LinearRule.of(
        design,
        np.concatenate([one.coef_ for one in peer.estimators_]),
        np.concatenate([one.intercept_ for one in peer.estimators_]),
        one_vs_rest=True,
    )
    np.testing.assert_allclose(
        rule.probabilities(values), peer.predict_proba(design.columns(values)), atol=1e-12
    )


def test_far_values_stay_probabilities():
    design = learn_design([[0.0], [1.0]], "a")
    rule = LinearRule.of(design, [[1e4]], [0.0])
    np.testing.assert_array_equal(rule.probabilities([[-1e9], [1e9]]), [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("coefficients", "intercepts"),
    [([[1.0, 2.0]], [0.0]), ([[np.nan]], [0.0]), ([[1.0], [2.0]], [0.0])],
)
def test_a_rule_that_does_not_fit_its_design_is_refused(coefficients, intercepts):
    with pytest.raises(ValueError, match=r"coefficients|intercept"):
        LinearRule.of(learn_design([[0.0], [1.0]], "a"), coefficients, intercepts)
