"""Coefficients and standard errors that others published, or that have a closed form."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from core.logistic import CollinearWarning, LogisticClassifier


def test_spector_and_mazzeo_as_stata_has_it():
    # L. Spector, M. Mazzeo, J. Economic Education 11 (1980) 37; Greene, "Econometric Analysis",
    # table 17.1. Figures of Stata 11's `logit`, as statsmodels' tests cite them. The 32 rows come
    # with statsmodels; their author keeps the rights, so they are not copied here.
    api = pytest.importorskip("statsmodels.api", reason="statsmodels has the Spector data")
    data = api.datasets.spector.load_pandas()
    # Stata keeps numbers in single precision; in double the figures differ in the seventh digit.
    x, y = data.exog.to_numpy(np.float32), data.endog.to_numpy().astype(int)
    model = LogisticClassifier(C=np.inf, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(
        model.coef_[0], [2.82611297201, 0.0951576702557, 2.37868772835], rtol=1e-10
    )
    assert model.intercept_[0] == pytest.approx(-13.0213483201, rel=1e-10)
    errors, free = model.standard_errors(x, y)
    np.testing.assert_allclose(errors[0], [1.26294114526, 0.141554207662, 1.06456430165], rtol=1e-6)
    assert free[0] == pytest.approx(4.93132462871, rel=1e-6)
    assert -32 * model.result_.value == pytest.approx(-12.8896334653335, rel=1e-12)


def test_the_challengers_o_rings_as_published():
    # Temperature of the joints at 23 launches, degrees Fahrenheit, and whether O-rings were
    # damaged: Report of the Presidential Commission on the Space Shuttle Challenger Accident
    # (1986); S. Dalal, E. Fowlkes, B. Hoadley, JASA 84 (1989) 945. What R's `glm` prints is in many
    # textbooks: an intercept of 15.0429 (7.3786), a slope of -0.2322 (0.1082), a deviance of
    # 20.315.
    sound = [66, 69, 68, 67, 72, 73, 70, 78, 67, 67, 75, 70, 81, 76, 79, 76]
    damaged = [70, 57, 63, 70, 53, 75, 58]
    x = np.array([*sound, *damaged], float)[:, None]
    y = np.repeat([0, 1], [len(sound), len(damaged)])
    model = LogisticClassifier(C=np.inf, tol=1e-10).fit(x, y)
    errors, free = model.standard_errors(x, y)
    found = [model.intercept_[0], model.coef_[0, 0], free[0], errors[0, 0]]
    np.testing.assert_allclose(found, [15.0429, -0.2322, 7.3786, 0.1082], atol=5e-5)
    assert 2 * 23 * model.result_.value == pytest.approx(20.315, abs=5e-4)


def table(counts):
    """Return samples of a (value, class) table of counts."""
    counts = np.asarray(counts)
    values, classes = np.indices(counts.shape)
    return values.ravel()[:, None].astype(float), classes.ravel(), counts.ravel()


def test_a_two_by_two_table_has_the_log_odds_ratio_and_its_error():
    # B. Woolf, Ann. Human Genetics 19 (1955) 251: log(ad / bc), variance 1/a + 1/b + 1/c + 1/d.
    x, y, counts = table([[30, 7], [12, 41]])
    model = LogisticClassifier(C=np.inf, tol=1e-12).fit(x, y, counts)
    assert model.coef_[0, 0] == pytest.approx(np.log(30 * 41 / (7 * 12)), rel=1e-10)
    assert model.intercept_[0] == pytest.approx(np.log(7 / 30), rel=1e-10)
    errors, free = model.standard_errors(x, y, counts)
    assert errors[0, 0] == pytest.approx(np.sqrt(1 / 30 + 1 / 7 + 1 / 12 + 1 / 41), rel=1e-9)
    assert free[0] == pytest.approx(np.sqrt(1 / 7 + 1 / 30), rel=1e-9)


def test_a_table_of_three_classes_has_centred_log_counts():
    counts = np.array([[30, 7, 11], [12, 41, 9]])
    x, y, weights = table(counts)
    model = LogisticClassifier(C=np.inf, tol=1e-12).fit(x, y, weights)
    logs = np.log(counts) - np.log(counts).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(model.intercept_, logs[0], atol=1e-10)
    np.testing.assert_allclose(model.coef_[:, 0], logs[1] - logs[0], atol=1e-10)
    contrasts = (np.eye(3) - 1 / 3) ** 2  # of independent counts with variances of logs 1 / n
    errors, free = model.standard_errors(x, y, weights)
    np.testing.assert_allclose(free, np.sqrt(contrasts @ (1 / counts[0])), rtol=1e-8)
    spread = np.sqrt(contrasts @ (1 / counts[0] + 1 / counts[1]))
    np.testing.assert_allclose(errors[:, 0], spread, rtol=1e-8)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_errors_that_mind_groups_are_the_literal_sandwich(classes, form):
    rng = np.random.default_rng(1)
    x, y, group = rng.standard_normal((120, 2)) + 3, np.arange(120) % classes, np.arange(120) // 8
    x[:, 0] += 0.3 * y + rng.standard_normal(15)[group]
    weights = rng.uniform(0.5, 2, 120)
    model = LogisticClassifier(C=np.inf, tol=1e-12).fit(form(x), y, weights)
    wide = np.column_stack([x, np.ones(120)])
    off = weights[:, None] * (np.eye(classes)[y] - model.predict_proba(x))
    free = np.s_[1:]  # the first class is held, as its logit may be
    scores = [np.einsum("ik,ij->kj", off[group == g, free], wide[group == g]) for g in range(15)]
    scatter = sum(np.outer(s, s) for s in scores) * 15 / 14
    chance = model.predict_proba(x)[:, free]
    information = sum(
        w * np.kron(np.diag(p) - np.outer(p, p), np.outer(row, row))
        for w, p, row in zip(weights, chance, wide, strict=True)
    )
    bread = np.linalg.inv(information)
    turn = np.vstack([np.zeros(classes - 1), np.eye(classes - 1)])
    if classes > 2:
        turn = turn - turn.mean(axis=0)  # to parameters that sum to 0
    turn = np.kron(turn, np.eye(3))
    expected = np.sqrt(np.diag(turn @ bread @ scatter @ bread @ turn.T)).reshape(classes, 3)
    errors, constant = model.standard_errors(form(x), y, weights, groups=group)
    expected = expected[1:] if classes == 2 else expected
    np.testing.assert_allclose(np.column_stack([errors, constant]), expected, rtol=1e-7)


def test_samples_that_come_several_times_in_a_group_tell_no_more():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((60, 2))
    y = (x[:, 0] + rng.standard_normal(60) > 0).astype(int)
    alone = LogisticClassifier(C=1.0).fit(x, y).standard_errors(x, y, groups=np.arange(60))
    rows = np.arange(60).repeat(16)
    model = LogisticClassifier(C=1.0 / 16).fit(x[rows], y[rows])
    twins = model.standard_errors(x[rows], y[rows], groups=rows)
    np.testing.assert_allclose(twins[0], alone[0], rtol=1e-4)
    assert (model.standard_errors(x[rows], y[rows])[0] < 0.4 * twins[0]).all()
    with pytest.raises(ValueError, match=r"groups has shape \(60,\).*\(960,\)"):
        model.standard_errors(x[rows], y[rows], groups=np.arange(60))


def test_errors_by_groups_are_statsmodels():
    api = pytest.importorskip("statsmodels.api", reason="statsmodels has errors by clusters")
    rng = np.random.default_rng(3)
    x, group = rng.standard_normal((200, 3)), np.arange(200) // 10
    y = (x[:, 0] + rng.standard_normal(20)[group] + rng.logistic(size=200) > 0).astype(int)
    theirs = api.Logit(y, api.add_constant(x)).fit(
        disp=0, tol=1e-12, cov_type="cluster", cov_kwds={"groups": group, "use_correction": False}
    )
    model = LogisticClassifier(C=np.inf, tol=1e-12).fit(x, y)
    errors, _ = model.standard_errors(x, y, groups=group)
    np.testing.assert_allclose(errors[0], theirs.bse[1:] * np.sqrt(20 / 19), rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_columns_that_say_the_same_are_said(classes):
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((200, 2)), rng.integers(0, classes, 200)
    twice = np.column_stack([x, x[:, 0]])
    model = LogisticClassifier(C=np.inf).fit(twice, y)
    missing = classes - 1
    with pytest.warns(CollinearWarning, match=f"{missing} of {4 * missing} directions"):
        model.standard_errors(twice, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticClassifier(C=10.0).fit(twice, y).standard_errors(twice, y)
        LogisticClassifier(C=np.inf).fit(x, y).standard_errors(x, y)
        LogisticClassifier(C=np.inf, fit_intercept=False).fit(x, y).standard_errors(x, y)


def test_the_ridge_error_is_that_of_the_penalised_curvature():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 2))
    y = (x[:, 0] + rng.standard_normal(50) > 0).astype(int)
    model = LogisticClassifier(C=0.5, tol=1e-12).fit(x, y)
    chance = model.predict_proba(x)[:, 1]
    wide = np.column_stack([x, np.ones(50)])
    information = wide.T @ (wide * (chance * (1 - chance))[:, None]) + np.diag([2.0, 2.0, 0.0])
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    errors, free = model.standard_errors(x, y)
    np.testing.assert_allclose([*errors[0], free[0]], expected, rtol=1e-9)
