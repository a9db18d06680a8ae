import json
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from core.piqe import PiqeParams
from tasks import chunks, lock, pipeline, store
from tasks.errors import Busy, UsageError
from tasks.learning import apply as applying
from tasks.learning.apply import apply
from tasks.learning.card import card_path
from tasks.learning.features import feature_names
from tasks.learning.model import file_digest, read_model, write_model
from tasks.learning.train import TrainParams, train
from tasks.ledger import Ledger, Outcome
from tasks.output import Output
from tasks.pipeline import Params
from tasks.scoring import QualityParams
from tests.tasks.learning.conftest import EACH, FOLDERS, texture


@pytest.fixture
def model(finished, labels, tmp_path):
    train(finished, labels, TrainParams(), tmp_path / "model.json")
    return tmp_path / "model.json"


@pytest.fixture
def mine(archive, tmp_path):
    """An archive that may change, with its finished run."""
    source = shutil.copytree(archive, tmp_path / "source")
    pipeline.characterise(source, tmp_path / "mine", Params(only="images"))
    return source, tmp_path / "mine"


def images(rows):
    return {name: row for name, row in rows.items() if row["kind"] == "image"}


def test_the_table_holds_what_the_rule_says_of_its_columns(out, model, table):
    done = apply(out, model)
    assert (done.labelled, done.waiting) == (FOLDERS * EACH, 0)
    rule = read_model(model).rule
    rows = table(out)
    for name, row in rows.items():
        if row["kind"] == "signal":
            assert row["predicted"] is None
            continue
        values = [[row[feature] for feature in feature_names("image")]]
        expected = rule.probabilities(np.array(values, float))[0]
        np.testing.assert_allclose(
            [row["probability clean"], row["probability noisy"]], expected, rtol=1e-12
        )
        assert row["predicted"] == ("noisy" if "noisy" in name else "clean")
        assert row["predicted_probability"] == expected.max()
    meanings = (out / "items_columns.csv").read_text()
    assert "probability noisy,double,probability of 'noisy'" in meanings


def test_the_store_opens_with_plain_xarray_and_names_its_labels(out, model, table):
    apply(out, model)
    tree = xr.open_datatree(out / "store.zarr", engine="zarr", consolidated=False)
    row = table(out)["f2/noisy3.png"]
    group = tree[f"learned_images/{row['stack']}"]
    assert group.probability.attrs["labels"] == ["clean", "noisy"]
    assert float(group.probability[row["slot"], 1]) == row["probability noisy"]
    assert int(group.predicted[row["slot"]]) == 2
    assert store.open_variable(
        Output(out).store, store.LEARNED["image"][0], store.Stack.parse("image", row["stack"])
    ).dims == ("frame", "label")


def test_the_report_shows_the_labels(out, model):
    apply(out, model)
    report = (out / "report.html").read_text()
    assert "Your rule for images" in report
    assert 'data-label="noisy"' in report
    assert report.count('<span class="tag">noisy</span>') == 1 + FOLDERS * EACH // 2


def test_a_second_time_does_nothing_and_changes_nothing(out, model, table):
    apply(out, model)
    before = {p: p.read_bytes() for p in Output(out).store.rglob("*") if p.is_file()}
    rows = table(out)
    assert apply(out, model).labelled == 0
    assert table(out) == rows
    assert {p: p.read_bytes() for p in Output(out).store.rglob("*") if p.is_file()} == before


def test_no_item_changes_its_status_and_a_later_run_keeps_the_labels(mine, model, table):
    source, out = mine
    before = {name: row["status"] for name, row in table(out).items()}
    apply(out, model)
    rows = table(out)
    assert {name: row["status"] for name, row in rows.items()} == before
    pipeline.characterise(source, out, Params(only="images"))
    assert table(out) == rows


def test_changed_and_new_items_lose_their_label_are_told_and_labelled_again(
    mine, model, table, notes
):
    source, out = mine
    apply(out, model)
    rows = table(out)
    changed = texture(7, 25).astype(np.uint8)
    Image.fromarray(changed).save(source / "f0/clean0.png")
    Image.fromarray(changed).save(source / "f0/new.png")
    pipeline.characterise(source, out, Params(only="images"))
    told = "2 images are new or changed since a rule was applied: `scalemark apply` with model.json"
    assert any(note.startswith(told) for note in notes)
    between = table(out)
    assert between["f0/clean0.png"]["predicted"] is None
    assert between["f0/new.png"]["predicted"] is None
    assert between["f1/clean0.png"] == rows["f1/clean0.png"]
    assert "2 images have no label" in (out / "report.html").read_text()
    assert apply(out, model).labelled == 2
    after = table(out)
    assert after["f0/clean0.png"]["predicted"] == after["f0/new.png"]["predicted"] == "noisy"
    assert after["f1/clean0.png"] == rows["f1/clean0.png"]


def test_another_parameter_is_refused_by_name_and_old_labels_are_not_shown(mine, model, table):
    source, out = mine
    apply(out, model)
    other = Params(only="images", quality=QualityParams(piqe=PiqeParams(activity_threshold=0.2)))
    pipeline.characterise(source, out, other)
    assert all(row["predicted"] is None for row in table(out).values())
    with pytest.raises(UsageError, match=r"activity_threshold changed from 0\.1 to 0\.2"):
        apply(out, model)
    pipeline.characterise(source, out, Params(only="images"))
    done = apply(out, model)
    assert done.labelled == FOLDERS * EACH
    assert {row["predicted"] for row in images(table(out)).values()} == {"clean", "noisy"}


def test_a_feature_that_is_not_known_is_refused_by_name(out, model):
    values = json.loads(model.read_text())
    values["rule"]["design"]["features"][0] = "sharpness"
    model.write_text(json.dumps(values))
    with pytest.raises(UsageError, match="digest"):
        apply(out, model)
    changed = values | {"digest": file_digest(values)}
    model.write_text(json.dumps(changed))
    with pytest.raises(UsageError, match="sharpness: this scalemark has no such feature"):
        apply(out, model)


def test_a_store_without_the_features_is_refused_by_name(archive, model, tmp_path):
    source = tmp_path / "signals"
    shutil.copytree(archive / "s0", source)
    pipeline.characterise(source, tmp_path / "out", Params())
    with pytest.raises(UsageError, match="piqe: this store has no results of it"):
        apply(tmp_path / "out", model)


def test_another_model_labels_everything_again_and_says_so(out, model, labels, table, notes):
    apply(out, model)
    train(out, labels, TrainParams(c=0.01), out / "model.json")
    before = table(out)["f0/clean0.png"]["probability clean"]
    assert apply(out, out / "model.json").labelled == FOLDERS * EACH
    assert any("done again: model changed from" in note for note in notes)
    assert table(out)["f0/clean0.png"]["probability clean"] < before


def test_rules_for_images_and_for_signals_stand_side_by_side(out, model, tmp_path, write, table):
    rows = [(f"s{f}/{('flat', 'bumpy')[n % 2]}{n}.npy", ("flat", "bumpy")[n % 2])
            for f in range(3) for n in range(4)]  # fmt: skip
    train(out, write(tmp_path / "s.csv", rows), TrainParams(), tmp_path / "signals.json")
    apply(out, model)
    apply(out, tmp_path / "signals.json")
    found = table(out)
    assert found["s1/bumpy1.npy"]["predicted"] == "bumpy"
    assert found["f1/noisy1.png"]["predicted"] == "noisy"
    assert found["s1/bumpy1.npy"]["probability noisy"] is None


def test_a_stop_halfway_is_taken_up_again(out, model, table, monkeypatch):
    clean = table(shutil.copytree(out, out.with_name("clean")))
    real, calls = applying.chunks.write, []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(applying.chunks, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        apply(out, model)
    monkeypatch.undo()
    pipeline.rewrite(out)
    found = table(out)
    assert all(row["predicted"] is None for row in found.values())
    assert {n: r["status"] for n, r in found.items()} == {n: r["status"] for n, r in clean.items()}
    assert apply(out, model).labelled == FOLDERS * EACH
    assert table(out)["f0/noisy1.png"]["predicted"] == "noisy"


def test_a_damaged_chunk_of_labels_is_written_anew(out, model, table):
    apply(out, model)
    rows = table(out)
    [chunk] = [p for p in Output(out).store.glob("learned_images/*/probability/c/**/*")
               if p.is_file()]  # fmt: skip
    broken = bytearray(chunk.read_bytes())
    broken[len(broken) // 2] ^= 1
    chunk.write_bytes(broken)
    pipeline.rewrite(out)
    assert table(out)["f0/noisy1.png"]["predicted"] is None
    assert apply(out, model).labelled == FOLDERS * EACH
    assert table(out) == rows


def test_items_whose_features_are_not_made_wait(out, model, table):
    with Ledger(Output(out).ledger) as ledger, ledger.writing():
        ledger.execute("DELETE FROM done WHERE step = 'piqe' AND item = (SELECT id FROM item "
                       "WHERE path = ?)", (b"f3/noisy5.png",))  # fmt: skip
    done = apply(out, model)
    assert (done.labelled, done.waiting) == (FOLDERS * EACH - 1, 1)
    assert table(out)["f3/noisy5.png"]["predicted"] is None


def test_an_output_in_use_or_absent_is_refused(out, model, tmp_path):
    with lock.owned(Output(out).lock), pytest.raises(Busy, match="in use"):
        apply(out, model)
    with pytest.raises(UsageError, match="holds no scalemark run"):
        apply(tmp_path, model)


def test_hostile_labels_stay_text(out, labels, tmp_path):
    hostile = '=cmd|" /C calc"!A0<script>alert(1)</script>'
    text = labels.read_text().replace(",noisy", f',"{hostile.replace(chr(34), chr(34) * 2)}"')
    labels.write_text(text)
    trained = train(out, labels, TrainParams(), tmp_path / "model.json")
    apply(out, tmp_path / "model.json")
    for page in (trained.card, out / "report.html"):
        assert "<script>alert(1)" not in page.read_text()
    assert "\n=cmd" not in (out / "items.csv").read_text()
    assert ",=cmd" not in (out / "items.csv").read_text()


def test_a_gap_that_training_never_saw_is_told(out, labels, tmp_path, notes, table):
    model = train(out, labels, TrainParams(), tmp_path / "model.json").model
    design = model.rule.design
    assert not design.missed
    row = table(out)["f0/clean0.png"]
    stack = store.Stack.parse("image", row["stack"])
    chunks.update(Output(out).store, store.PIQE, stack, 0, {row["slot"]: np.nan})
    assert apply(out, tmp_path / "model.json").labelled == FOLDERS * EACH
    assert "piqe is missing in 1 items, and in none that the rule was trained on" in notes[-1]


def test_a_model_that_names_no_step_for_its_features_is_refused(out, model):
    found = read_model(model)
    write_model(model, replace(found, steps={}))
    with pytest.raises(UsageError, match="the model does not tell how it was made"):
        apply(out, model)


def quarantine(out, path):
    """Do what a run does with an item that a step of it failed on: set it aside, and pass on."""
    with Ledger(Output(out).ledger) as ledger, ledger.writing():
        item = ledger.number("SELECT id FROM item WHERE path = ?", (path,))
        ledger.quarantine(Outcome(item=item, code="crash", reason="it ended its worker"), "piqe")


def test_a_quarantined_neighbour_keeps_its_verdict_and_gets_no_label(mine, model, table):
    source, out = mine
    quarantine(out, b"f1/noisy1.png")
    pipeline.rewrite(out)
    before = {name: (row["status"], row["code"], row["reason"]) for name, row in table(out).items()}
    assert before["f1/noisy1.png"] == ("quarantined", "crash", "it ended its worker")
    assert apply(out, model).labelled == FOLDERS * EACH - 1
    for _ in ("after apply", "after a run"):
        rows = table(out)
        assert {n: (r["status"], r["code"], r["reason"]) for n, r in rows.items()} == before
        assert rows["f1/noisy1.png"]["predicted"] is None
        pipeline.characterise(source, out, Params(only="images"))


def test_an_item_that_cannot_be_labelled_is_told_and_its_neighbours_keep_theirs(
    out, model, table, monkeypatch
):
    before = {name: row["status"] for name, row in table(out).items()}
    real = applying._features

    def fail(order, model, stack, batch):
        if table(out)["f1/noisy1.png"]["slot"] in [item.slot for item in batch.items]:
            raise MemoryError("no room")
        return real(order, model, stack, batch)

    monkeypatch.setattr(applying, "_features", fail)
    done = apply(out, model)
    assert (done.labelled, done.waiting, list(done.failed.values())) == (29, 1, [1])
    assert "no room" in next(iter(done.failed))
    rows = table(out)
    assert {name: row["status"] for name, row in rows.items()} == before
    without = [n for n, row in images(rows).items() if row["predicted"] is None]
    assert without == ["f1/noisy1.png"]
    monkeypatch.undo()
    again = apply(out, model)
    assert (again.labelled, again.waiting, again.failed) == (1, 0, {})


def test_a_ledger_of_the_format_before_is_taken_over(out, model):
    with sqlite3.connect(Output(out).ledger) as database:
        database.executescript(
            "DROP TRIGGER aside_deleted; DROP TABLE aside; PRAGMA user_version = 1"
        )
    database.close()
    assert apply(out, model).labelled == FOLDERS * EACH


def test_a_card_of_another_model_is_told(out, model, labels, notes):
    card = card_path(model).read_text()
    train(out, labels, TrainParams(folds=3), model)
    apply(out, model)
    assert not any("card" in note for note in notes)
    card_path(model).write_text(card)
    apply(out, model)
    assert "model_card.html is the card of another model: train again" in notes
