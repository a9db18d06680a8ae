import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from examples.learn import distortions

PHOTOGRAPHS = 4


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    work = tmp_path_factory.mktemp("learn")
    questions = distortions.make_archive(work / "source", side=160, most=PHOTOGRAPHS)
    distortions.pipeline.characterise(work / "source", work / "out", distortions.Params())
    found = {
        name: distortions.ask(work / "out", name, labels) for name, labels in questions.items()
    }
    return work, questions, found


def test_photographs_are_held_out_whole(ran):
    _, _, found = ran
    copies = PHOTOGRAPHS * (1 + len(distortions.MILD) + len(distortions.BAD))
    for one in found.values():
        assert (one["items"], one["groups"], one["group_by"]) == (copies, PHOTOGRAPHS, "folder")
        assert one["folds"] == PHOTOGRAPHS
        assert np.sum(one["confusion"]) == copies


def test_which_fault_is_learnt_beyond_what_one_score_tells(ran):
    _, _, found = ran
    one = found["which fault"]
    best = max(row["accuracy"]["value"] for row in one["baselines"])
    assert one["accuracy"]["value"] > best
    assert one["log_loss"] < one["log_loss_of_shares"]


def test_every_copy_has_a_label_in_the_table(ran):
    work, questions, _ = ran
    rows = pq.read_table(work / "out/items.parquet").to_pylist()
    kinds = set(questions["which fault"].values())
    assert {row["path"] for row in rows} == set(questions["which fault"])
    assert {row["predicted"] for row in rows} <= kinds
    right = sum(row["predicted"] == questions["which fault"][row["path"]] for row in rows)
    assert right > 0.8 * len(rows)


def test_the_copies_are_what_their_names_say(ran):
    work, _, _ = ran
    folder = work / "source/astronaut"
    plain = np.asarray(Image.open(folder / "as it is.png"), float)
    for sigma in (12, 25):
        noisy = np.asarray(Image.open(folder / f"noise {sigma}.png"), float)
        inside = (plain > 80) & (plain < 175)
        np.testing.assert_allclose((noisy - plain)[inside].std(), sigma, rtol=0.05)
    detail = [np.abs(np.diff(np.asarray(Image.open(folder / f"{name}.png"), float), axis=1)).mean()
              for name in ("as it is", "blur 0.6", "blur 1.5", "blur 3")]  # fmt: skip
    assert detail == sorted(detail, reverse=True)


def test_the_page_shows_what_the_script_prints(ran):
    """The page's figures are of all photographs; its lines are those that the script writes."""
    page = (Path(distortions.__file__).parent / "README.md").read_text()
    work, questions, found = ran
    for question in questions:
        printed = distortions.lines(question, found[question])
        assert f"{question}: 182 copies of 14 photographs" in page
        for line in printed[1:5]:
            assert line[:54].rstrip() in page
    with (work / "which_fault.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 1 + 13 * PHOTOGRAPHS
