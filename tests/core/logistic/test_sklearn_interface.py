import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from core.logistic import SOLVERS, LogisticClassifier


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_it_passes_check_estimator(solver):
    model = LogisticClassifier(C=0.1, solver=solver, tol=1e-10, max_iter=20_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model, on_skip=None)
    statuses = [result["status"] for result in results]
    assert statuses.count("passed") > 55
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {
        "check_array_api_input"
    }


def test_it_works_in_a_search():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 3))
    y = np.where(x[:, 0] + 0.5 * rng.standard_normal(120) > 0, "keep", "drop")
    search = GridSearchCV(LogisticClassifier(), {"l1_ratio": [0.0, 1.0]}).fit(x, y)
    assert set(search.cv_results_["param_l1_ratio"]) == {0.0, 1.0}
    assert cross_val_score(search.best_estimator_, x, y).mean() > 0.7


def test_clones_and_prints_what_was_set():
    model = LogisticClassifier(C=0.5, solver="saga")
    assert repr(clone(model)) == "LogisticClassifier(C=0.5, solver='saga')"
    with pytest.raises(ValueError, match="Invalid parameter 'penalty'"):
        model.set_params(penalty="l1")
