import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.changes import compare, snapshot
from tasks.output import Output

STATUSES = ("ok", "flagged", "quarantined", "skipped", "pending")


def rows(rng, count):
    chosen = rng.choice(2 * count, count, replace=False)
    return {
        (f"{n:03}.png", ""): {
            "status": str(rng.choice(STATUSES)),
            "code": "",
            "piqe": float(rng.integers(3)),
        }
        for n in sorted(chosen.tolist())
    }


def table(found):
    return pa.Table.from_pylist([{"path": p, "part": q, **row} for (p, q), row in found.items()])


def test_every_kind_of_change_is_counted_as_plain_dictionaries_count_it():
    rng = np.random.default_rng(4)
    before, after = rows(rng, 60), rows(rng, 60)
    both = sorted(before.keys() & after.keys())
    expected = {
        "new": sorted(after.keys() - before.keys()),
        "gone from the source": sorted(before.keys() - after.keys()),
        "scored differently": [k for k in both if before[k]["piqe"] != after[k]["piqe"]],
    }
    for status in ("ok", "flagged", "quarantined"):
        expected[f"newly {status}"] = [
            k for k in both if after[k]["status"] == status != before[k]["status"]
        ]
    found = {change.what: change for change in compare(table(before), table(after))}
    assert {what: change.count for what, change in found.items()} == {
        what: len(keys) for what, keys in expected.items()
    }
    for what, keys in expected.items():
        assert found[what].examples == tuple(path for path, _ in keys[:5])


def test_an_item_that_left_the_source_is_gone_once():
    row = {"path": "a", "part": "", "status": "ok", "code": "", "piqe": None}
    left = row | {"status": "skipped", "code": "gone"}
    first, second = pa.Table.from_pylist([row]), pa.Table.from_pylist([left])
    assert [c.what for c in compare(first, second)] == ["gone from the source"]
    assert compare(second, second) == ()


def test_a_table_that_cannot_be_read_is_none(tmp_path):
    output = Output(tmp_path)
    assert snapshot(output) is None
    output.parquet.write_bytes(b"PAR1 cut off")
    assert snapshot(output) is None
    pq.write_table(pa.table({"path": ["a"]}), output.parquet)  # of another version, say
    assert snapshot(output) is None
