"""Every solver with every penalty: the optimum, honestly reached, whatever the data's form."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from core.logistic import SOLVERS, Chunk, ConvergenceWarning, InMemory, Penalty, fit_logistic
from core.logistic.solvers import require_able, table
from tests.core.logistic.made import labelled, literal_kkt, literal_objective, sums

PENALTIES = [Penalty(), Penalty(l2=0.02), Penalty(l1=0.02), Penalty(l1=0.01, l2=0.01)]
PAIRS = [
    pytest.param(name, penalty, classes, id=f"{name}-{penalty.kind}-{classes}")
    for name, solver in SOLVERS.items()
    for penalty in PENALTIES
    if penalty.kind in solver.penalties
    for classes in (2, 3)
]
MULTINOMIAL = [p for p in PAIRS if p.values[2] == 2 or SOLVERS[p.values[0]].multinomial]
TOL = 1e-7


@pytest.mark.parametrize(("solver", "penalty", "classes"), MULTINOMIAL)
def test_all_reach_one_optimum(solver, penalty, classes):
    x, y = labelled(300, 5, classes)
    weights = np.random.default_rng(1).uniform(0, 2, 300)
    fit = fit_logistic(sums(x, y, weights), penalty, solver=solver, tol=TOL)
    assert fit.reason == "converged"
    assert fit.kkt <= TOL
    assert literal_kkt(fit.theta, x, y, weights, penalty) <= TOL + 1e-9
    value = literal_objective(fit.theta, x, y, weights, penalty)
    assert fit.value == pytest.approx(value, abs=1e-13)
    best = fit_logistic(sums(x, y, weights), penalty, solver="prox-newton", tol=1e-11)
    assert 0 <= value - best.value + 1e-14 < 1e-8
    assert len(fit.trace) == fit.iterations + 1
    assert fit.trace[-1] == fit.value


@pytest.mark.parametrize(("l1_ratio", "theirs"), [(0.0, "lbfgs"), (1.0, "saga"), (0.5, "saga")])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_optimum_is_scikit_learns(l1_ratio, theirs, classes):
    x, y = labelled(200, 4, classes)
    # Two classes have one row here as there: no factor between the penalties.
    penalty = Penalty.of(0.3, l1_ratio, 200)
    fit = fit_logistic(sums(x, y), penalty, tol=1e-10)
    other = LogisticRegression(C=0.3, l1_ratio=l1_ratio, solver=theirs, tol=1e-9, max_iter=10**5)
    other.fit(x, y)
    if l1_ratio < 1 or classes == 2:  # else the optimum is not one point
        np.testing.assert_allclose(fit.theta[:, :-1], other.coef_, atol=2e-5)
    found = np.column_stack([other.coef_, other.intercept_])
    assert fit.value <= literal_objective(found, x, y, np.ones(200), penalty) + 1e-14


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", ["csr", "float32", "csr float32 int64", "wide"])
def test_the_form_of_the_data_changes_nothing(solver, kind):
    classes = 3 if SOLVERS[solver].multinomial else 2
    x, y = labelled(200, 130 if kind == "wide" else 4, classes, seed=3)
    x = x.astype(np.float32).astype(np.float64)
    x[np.abs(x) < 0.4] = 0
    penalty = Penalty(l2=0.05)
    if kind == "wide":
        classes, y = 8, np.arange(200) % 8  # products of matrices instead of loops
        if not SOLVERS[solver].multinomial:
            classes, y = 2, y % 2
    dense = fit_logistic(sums(x, y), penalty, solver="newton-cg", tol=1e-9)
    given = x.astype(np.float32) if "float32" in kind else x
    if "csr" in kind:
        given = sparse.csr_array(given)
    if "int64" in kind:
        given.indices, given.indptr = given.indices.astype("i8"), given.indptr.astype("i8")
    fit = fit_logistic(sums(given, y), penalty, solver=solver, tol=1e-8)
    np.testing.assert_allclose(fit.theta, dense.theta, atol=2e-6)


@pytest.mark.parametrize(("solver", "penalty", "classes"), PAIRS)
def test_weights_are_repetitions(solver, penalty, classes):
    x, y = labelled(60, 3, classes, seed=5)
    times = np.random.default_rng(2).integers(0, 4, 60)
    weighted = fit_logistic(sums(x, y, times), penalty, solver=solver, tol=1e-9)
    rows = np.arange(60).repeat(times)
    repeated = fit_logistic(sums(x[rows], y[rows]), penalty, solver=solver, tol=1e-9)
    np.testing.assert_allclose(weighted.theta, repeated.theta, atol=1e-6)


@pytest.mark.parametrize("solver", [n for n, s in SOLVERS.items() if "l2" in s.penalties])
def test_heavy_weights_converge(solver):
    # 25 samples of weight 400: scikit-learn's sag and saga leave the optimum by more than 30.
    classes = 3 if SOLVERS[solver].multinomial else 2
    x, y = labelled(1000, 6, classes, seed=7)
    weights = np.ones(1000)
    weights[:25] = 400
    fit = fit_logistic(sums(x, y, weights), Penalty(l2=1e-4), solver=solver, tol=1e-7)
    best = fit_logistic(sums(x, y, weights), Penalty(l2=1e-4), tol=1e-10)
    assert fit.value - best.value < 1e-8


@pytest.mark.parametrize("solver", [n for n, s in SOLVERS.items() if "l2" in s.penalties])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_badly_scaled_columns_converge(solver, form):
    classes = 3 if SOLVERS[solver].multinomial else 2
    x, y = labelled(800, 7, classes, seed=9)
    x = x * 10.0 ** np.linspace(-3, 3, 7)
    fit = fit_logistic(sums(form(x), y), Penalty(l2=1e-4), solver=solver, tol=1e-6)
    best = fit_logistic(sums(x, y), Penalty(l2=1e-4), tol=1e-9)
    assert fit.value - best.value < 1e-8


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "fista"])
@pytest.mark.parametrize("scales", [[1e-7, 1e-7, 1e-7], [1.0, 1e12, 1.0], [1e-5, 2.0, 1e100]])
def test_the_unit_of_a_column_does_not_move_the_end(solver, scales):
    x, y = labelled(300, 3, 2)
    weights = np.where(y == 0, 150 / (y == 0).sum(), 150 / (y == 1).sum())  # 0 is no bad start
    fit = fit_logistic(sums(x * scales, y, weights), Penalty(), solver=solver)
    plain = fit_logistic(sums(x, y, weights), Penalty(), solver=solver)
    assert fit.reason == "converged"
    assert fit.iterations == plain.iterations > 2
    np.testing.assert_allclose(fit.theta[:, :-1] * scales, plain.theta[:, :-1], rtol=1e-6)


@pytest.mark.parametrize("penalty", [Penalty(l2=0.02), Penalty(l1=1e-9)])
@pytest.mark.parametrize("solver", ["liblinear", "prox-newton", "fista"])
def test_tiny_columns_are_judged_in_their_own_unit(solver, penalty):
    x, y = labelled(300, 3, 2)
    fit = fit_logistic(sums(x * 1e-7, y), penalty, solver=solver)
    assert fit.theta[:, :-1].all()
    assert literal_kkt(fit.theta, x * 1e-7, y, np.ones(300), penalty) <= 1e-6 + 1e-9


@pytest.mark.parametrize("solver", ["sag", "saga"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("scale", [1e-5, 1e-3, 1e3, 1e5])
def test_slow_solvers_converge_where_all_columns_share_another_scale(solver, form, scale):
    x, y = labelled(300, 3, 2)
    penalty = Penalty(l2=1e-3 * scale**2)
    fit = fit_logistic(sums(form(x * scale), y), penalty, solver=solver, max_iter=1000)
    best = fit_logistic(sums(x * scale, y), penalty)
    assert fit.reason == "converged"
    np.testing.assert_allclose(fit.theta * [*3 * [scale], 1], best.theta * [*3 * [scale], 1],
                               atol=1e-4)  # fmt: skip


@pytest.mark.parametrize(
    ("solver", "off"),
    [("newton-cholesky", 1e6), ("lbfgs", 1e6), ("fista", 1e6), ("auto", 1e8), ("newton-cg", 1e8)],
)
def test_columns_a_million_spreads_from_zero_converge(solver, off):
    x, y = labelled(500, 2, 2)
    near = fit_logistic(sums(x, y), Penalty(), tol=1e-9)
    far = fit_logistic(sums(x + off, y), Penalty(), solver=solver)
    assert far.reason == "converged"
    np.testing.assert_allclose(far.theta[:, :-1], near.theta[:, :-1], atol=1e-5)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "fista"])
def test_columns_far_from_zero_converge(solver):
    x, y = labelled(500, 3, 3)
    near = fit_logistic(sums(x, y), Penalty(), tol=1e-9)
    far = fit_logistic(sums(x + 1e3, y), Penalty(), solver=solver, tol=1e-5)
    np.testing.assert_allclose(far.theta[:, :-1], near.theta[:, :-1], atol=1e-4)


@pytest.mark.parametrize(("solver", "penalty", "classes"), MULTINOMIAL)
def test_the_cut_into_chunks_changes_nothing(solver, penalty, classes):
    x, y = labelled(400, 4, classes, seed=11)
    order = np.argsort(y, kind="stable")  # most chunks lack classes
    x, y = x[order], y[order]
    # What steps along samples meets them in another order: only the optimum is the same.
    exact = not SOLVERS[solver].rows and solver != "fista"
    tol, close = (1e-11, 1e-10) if exact else (1e-9, 1e-7)
    whole = fit_logistic(sums(x, y), penalty, solver=solver, tol=tol)
    for parts in (7, 50):
        pieces = np.array_split(np.arange(400), parts)
        if parts == 50:
            pieces = [pieces[i] for i in np.random.default_rng(0).permutation(parts)]
        chunks = [Chunk(x[p], y[p], np.ones(len(p)), classes) for p in pieces]
        fit = fit_logistic(InMemory(chunks), penalty, solver=solver, tol=tol)
        np.testing.assert_allclose(fit.theta, whole.theta, atol=close)


@pytest.mark.parametrize("solver", ["sag", "saga"])
def test_at_the_default_tolerance_cuts_agree_to_its_hundredfold(solver):
    x, y = labelled(2000, 6, 2)
    whole = fit_logistic(sums(x, y), Penalty(l2=5e-4), solver=solver)
    pieces = np.array_split(np.random.default_rng(0).permutation(2000), 50)
    chunks = [Chunk(x[p], y[p], np.ones(len(p)), 2) for p in pieces]
    fit = fit_logistic(InMemory(chunks), Penalty(l2=5e-4), solver=solver)
    np.testing.assert_allclose(fit.theta, whole.theta, atol=1e-4)


@pytest.mark.parametrize("solver", [n for n in SOLVERS if n != "liblinear"])
def test_without_an_intercept(solver):
    x, y = labelled(300, 4, 3)
    fit = fit_logistic(sums(x, y), Penalty(l2=0.1), solver=solver, fit_intercept=False, tol=1e-8)
    other = LogisticRegression(C=1 / 30, fit_intercept=False, tol=1e-10, max_iter=10**4).fit(x, y)
    np.testing.assert_allclose(fit.theta[:, :-1], other.coef_, atol=1e-5)
    assert not fit.theta[:, -1].any()


def test_liblinear_takes_the_dual_where_features_are_many():
    x, y = labelled(80, 120, 2)
    fit = fit_logistic(sums(x, y), Penalty(l2=0.01), solver="liblinear", tol=1e-8)
    other = fit_logistic(sums(x, y), Penalty(l2=0.01), solver="newton-cholesky", tol=1e-10)
    np.testing.assert_allclose(fit.theta, other.theta, atol=1e-6)


def test_one_against_the_rest_is_each_alone():
    x, y = labelled(300, 4, 3)
    fit = fit_logistic(sums(x, y), Penalty(l1=0.01), solver="liblinear", tol=1e-8)
    assert fit.one_vs_rest
    for k in range(3):
        alone = fit_logistic(sums(x, (y == k).astype(int)), Penalty(l1=0.01), tol=1e-10)
        np.testing.assert_allclose(fit.theta[k], alone.theta[0], atol=1e-6)


def test_a_warm_start_saves_iterations():
    x, y = labelled(400, 5, 3)
    cold = fit_logistic(sums(x, y), Penalty(l2=0.01), solver="lbfgs", tol=1e-8)
    warm = fit_logistic(sums(x, y), Penalty(l2=0.01), solver="lbfgs", tol=1e-7, start=cold.theta)
    assert warm.iterations == 0
    assert cold.iterations > 5


def test_too_few_iterations_are_said():
    x, y = labelled(300, 5, 3)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations.*max_iter"):
        fit = fit_logistic(sums(x, y), Penalty(l2=1e-3), solver="lbfgs", max_iter=2)
    assert fit.reason == "iterations"
    assert fit.iterations == 2


def test_a_tolerance_below_rounding_is_said():
    x, y = labelled(300, 5, 3)
    with pytest.warns(ConvergenceWarning, match="raise tol"):
        fit = fit_logistic(sums(x, y), Penalty(l2=1e-3), solver="newton-cholesky", tol=0.0)
    assert fit.reason == "precision"
    assert fit.kkt < 1e-12


def test_the_table_in_the_docs_is_what_solvers_declare():
    page = (Path(__file__).parents[3] / "docs" / "solvers.md").read_text()
    assert page.endswith(table())


@pytest.mark.parametrize(
    ("solver", "l1_ratio", "c"),
    [(s, 0.0, 1.0) for s in ("lbfgs", "newton-cg", "newton-cholesky", "liblinear", "sag", "saga")]
    + [(s, 0.0, np.inf) for s in ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")]
    + [("liblinear", 1.0, 1.0), ("saga", 1.0, 1.0), ("saga", 0.5, 1.0)],
)
def test_all_that_scikit_learn_can_can_be_done(solver, l1_ratio, c):
    x, y = labelled(40, 2, 2)
    LogisticRegression(solver=solver, l1_ratio=l1_ratio, C=c, max_iter=10**4).fit(x, y)
    kind = Penalty.of(c, l1_ratio, 40.0).kind
    assert require_able(solver, kind, 3, local=True) is SOLVERS[solver]


@pytest.mark.parametrize(
    ("solver", "kind", "parameters", "local", "words"),
    [
        ("quick", "l2", 3, True, "solver must be one of auto, lbfgs"),
        ("lbfgs", "l1", 3, True, "these can: liblinear, sag, saga, prox-newton, fista"),
        ("saga", "l1", 3, False, "not on a cluster; these work from sums alone: lbfgs"),
        ("newton-cholesky", "l2", 50_000, True, "20 GB.*use lbfgs or newton-cg"),
    ],
)
def test_what_a_solver_cannot_do_is_refused(solver, kind, parameters, local, words):
    with pytest.raises(ValueError, match=words):
        require_able(solver, kind, parameters, local)
