"""What tables tell of signals: baseline and status, and rows out of order or too large."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.peaks import DecomposeParams, Status, decompose
from tasks import pipeline
from tasks.output import Output
from tasks.pipeline import Params
from tasks.scale_space import StructureParams

X = 500 + 0.1 * np.arange(300)
FLUX = 3 + 0.05 * X + 2 * np.exp(-0.5 * ((X - 512) / 1.5) ** 2)
FLUX += 0.01 * np.random.default_rng(0).standard_normal(300)
MANY = FLUX + sum(2 * np.exp(-0.5 * ((X - c) / 0.7) ** 2) for c in (503, 505.5, 518, 521, 524))
LINEAR = DecomposeParams(baseline="linear", max_rounds=1)


def written(path, x, y):
    rows = "".join(f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    path.write_text("wavelength (nm),flux\n" + rows)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out") / "run"
    order = np.random.default_rng(1).permutation(300)
    written(source / "ordered.csv", X, FLUX)
    written(source / "scrambled.csv", X[order], FLUX[order])
    written(source / "huge.csv", X, 1e299 * FLUX)
    written(source / "many.csv", X, MANY)
    pipeline.characterise(source, out, Params(structure=StructureParams(decompose=LINEAR)))
    output = Output(out)
    items = pq.read_table(output.root / "items.parquet").to_pylist()
    return {row["path"]: row for row in items}, pq.read_table(output.components).to_pylist()


def test_components_tell_their_baseline_and_whether_the_search_ended(tables):
    _, components = tables
    statuses = set()
    for path, signal in (("ordered.csv", FLUX), ("many.csv", MANY)):
        rows = [row for row in components if row["path"] == path]
        expected = decompose(X, [signal], LINEAR)
        assert len(rows) == expected.n_components[0]
        for row in rows:
            assert row["baseline"] == "linear"
            assert [row["baseline_b0"], row["baseline_b1"]] == expected.baseline[0].tolist()
            assert row["status"] == ("ok" if expected.status[0] == Status.OK else "capped")
            statuses.add(row["status"])
    assert statuses == {"ok", "capped"}


def test_rows_in_no_order_give_the_components_of_those_in_order(tables):
    items, components = tables
    plain, other = (
        [row for row in components if row["path"] == f"{name}.csv"]
        for name in ("ordered", "scrambled")
    )
    for name in ("amplitude", "center", "sigma", "status", "x_units"):
        assert [row[name] for row in other] == [row[name] for row in plain]
    assert items["ordered.csv"]["status"] == "ok"
    assert items["scrambled.csv"]["status"] == "flagged"
    assert "no order of 'wavelength'" in items["scrambled.csv"]["reason"]
    assert items["scrambled.csv"]["noise"] == items["ordered.csv"]["noise"]


def test_values_too_large_to_be_looked_at_are_flagged(tables):
    items, components = tables
    assert not [row for row in components if row["path"] == "huge.csv"]
    assert items["huge.csv"]["status"] == "flagged"
    assert "beyond 1e+150 no Gaussians are looked for" in items["huge.csv"]["reason"]
