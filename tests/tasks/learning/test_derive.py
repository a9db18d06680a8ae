import numpy as np
import pytest

from core.derivatives import DerivativeParams, differentiate
from tasks import chunks, lock, pipeline, store
from tasks.errors import Busy, UsageError
from tasks.learning import derive as deriving
from tasks.learning.apply import apply
from tasks.learning.derive import DeriveParams, derive
from tasks.learning.train import TrainParams, train
from tasks.output import Output
from tasks.pipeline import Params
from tasks.report.derivatives import read_derivatives
from tasks.slots import Slots
from tasks.store import Stack

QUICK = DerivativeParams(hidden=(8,), smoothing=(1e-3,), max_iterations=60)


def stored(out, row, variable):
    stack = Stack.parse("signal", row["stack"])
    values = chunks.read(Output(out).store, variable, stack, slice(row["slot"], row["slot"] + 1))
    return values[0]


def test_the_store_holds_what_core_computes_of_the_chosen_signals(out, table, archive):
    done = derive(out, DeriveParams(items="s1/bumpy*", fit=QUICK))
    assert (done.chosen, done.done) == (2, 2)
    row = table(out)["s1/bumpy3.npy"]
    values = np.load(archive / "s1/bumpy3.npy")
    expected = differentiate(np.arange(values.size), values, QUICK)
    for variable in store.DERIVED:
        held = stored(out, row, variable)
        if variable.dims == store.SAMPLE:
            held = held[: values.size]
        np.testing.assert_array_equal(held, getattr(expected, variable.name))
    other = table(out)["s1/flat0.npy"]
    assert np.isnan(stored(out, other, store.DERIVED[0])).all()


def test_again_does_nothing_and_another_parameter_says_why(out, notes):
    derive(out, DeriveParams(items="s0/*", fit=QUICK))
    assert derive(out, DeriveParams(items="s0/*", fit=QUICK)).done == 0
    more = derive(out, DeriveParams(items="s*", fit=QUICK))
    assert (more.chosen, more.done) == (12, 8)
    other = DerivativeParams(hidden=(8,), smoothing=(1e-2,), max_iterations=60)
    assert derive(out, DeriveParams(items="s0/*", fit=other)).done == 4
    assert any("4 items done again: smoothing changed from" in note for note in notes)


def test_the_report_draws_them_and_a_later_run_keeps_them(out, archive, table):
    before = {name: row["status"] for name, row in table(out).items()}
    derive(out, DeriveParams(items="s0/bumpy1.npy", fit=QUICK))
    report = (out / "report.html").read_text()
    assert report.count('class="sparkline slopes"') == 2
    assert "Gaussian filters of width" in report
    assert {name: row["status"] for name, row in table(out).items()} == before
    pipeline.characterise(archive, out, Params())
    assert (out / "report.html").read_text().count('class="sparkline slopes"') == 2


def test_a_changed_signal_loses_its_drawing_until_it_is_derived_again(archive, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    np.save(source / "one.npy", np.sin(np.arange(60.0) / 9))
    pipeline.characterise(source, out, Params())
    derive(out, DeriveParams(fit=QUICK))
    np.save(source / "one.npy", np.cos(np.arange(60.0) / 9))
    pipeline.characterise(source, out, Params())
    assert 'class="sparkline slopes"' not in (out / "report.html").read_text()
    assert derive(out, DeriveParams(fit=QUICK)).done == 1


def test_a_name_of_no_signal_and_an_output_in_use_are_refused(out):
    with pytest.raises(UsageError, match=r"no signal of .* is called 'x\*'"):
        derive(out, DeriveParams(items="x*", fit=QUICK))
    with pytest.raises(UsageError, match="is called"):
        derive(out, DeriveParams(items="*.png", fit=QUICK))
    with lock.owned(Output(out).lock), pytest.raises(Busy, match="in use"):
        derive(out, DeriveParams(fit=QUICK))


def test_a_failure_is_kept_beside_the_item_and_tried_again(out, archive, table, monkeypatch):
    before = {name: (row["status"], row["reason"]) for name, row in table(out).items()}
    wanted = np.load(archive / "s1/bumpy3.npy")

    def fail(x, y, params):
        if np.array_equal(y, wanted):
            raise ArithmeticError("it does not fit")
        return vars(differentiate(x, y, params))

    monkeypatch.setattr(deriving, "_values", fail)
    done = derive(out, DeriveParams(items="s1/bumpy*", fit=QUICK))
    assert (done.chosen, done.done, list(done.failed.values())) == (2, 1, [1])
    pipeline.characterise(archive, out, Params())
    assert {name: (row["status"], row["reason"]) for name, row in table(out).items()} == before
    report = (out / "report.html").read_text()
    assert report.count('class="sparkline slopes"') == 2
    assert "no derivatives: scalemark failed on it, please report: ArithmeticError" in report
    row = table(out)["s1/bumpy3.npy"]
    assert stored(out, row, store.DERIVED[-1]) == -1
    monkeypatch.undo()
    again = derive(out, DeriveParams(items="s1/bumpy*", fit=QUICK))
    assert (again.done, again.failed) == (1, {})
    assert "no derivatives" not in (out / "report.html").read_text()


def test_derive_apply_and_a_run_agree_on_signals_that_are_hard_to_derive(
    tmp_path, table, monkeypatch, write
):
    """A failed derive, then apply to its chunk, then a run: each leaves the verdicts alone."""
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    k = np.arange(64.0)
    for n in range(8):
        noise = np.random.default_rng(n).normal(0, 0.1, k.size)
        np.save(source / f"{n}.npy", (n % 2) * np.sin(k / 6) + noise)
    (source / "narrow.csv").write_text(
        "x,y\n" + "".join(f"{t}e-200,{np.sin(t / 6)}\n" for t in k), encoding="utf-8"
    )
    pipeline.characterise(source, out, Params())
    before = {name: row["status"] for name, row in table(out).items()}
    assert set(before.values()) <= {"ok", "flagged"}
    monkeypatch.setattr(deriving, "_values", lambda *_: 1 / 0)
    failed = derive(out, DeriveParams(items="0.npy", fit=QUICK))
    assert (failed.done, sum(failed.failed.values())) == (0, 1)
    monkeypatch.undo()
    assert derive(out, DeriveParams(items="n*", fit=QUICK)).failed == {}
    labels = write(tmp_path / "labels.csv", [(f"{n}.npy", "ab"[n % 2]) for n in range(8)])
    train(out, labels, TrainParams(), tmp_path / "model.json")
    apply(out, tmp_path / "model.json")
    pipeline.characterise(source, out, Params())
    assert {name: row["status"] for name, row in table(out).items()} == before
    assert "larger than any number" in (out / "report.html").read_text()


def test_what_was_never_derived_does_not_read_as_fitted(out, table):
    derive(out, DeriveParams(items="s1/bumpy*", fit=QUICK))
    row = table(out)["s1/flat0.npy"]
    assert stored(out, row, store.DERIVED[-1]) == -1
    assert read_derivatives(Slots(Output(out).store), row) is None
    chunks.update(
        Output(out).store, store.DERIVED[-1], Stack.parse("signal", row["stack"]), 0,
        {row["slot"]: 0},
    )  # fmt: skip
    assert read_derivatives(Slots(Output(out).store), row) is None  # as older stores have it
