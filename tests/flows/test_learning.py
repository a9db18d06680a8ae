"""Label, train, apply and derive, as a person types them."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.learning import derive
from tasks import lock
from tasks.output import Output

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT / "examples/archive"
GOOD = ("astronaut.png", "cameraman.png", "coffee.png", "moose.webp", "rocket_launch_pad.jpg")


@pytest.fixture(scope="module")
def finished(scalemark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    source, out = folder / "source", folder / "out"
    shutil.copytree(ARCHIVE / "degraded", source)
    for name in GOOD:
        shutil.copy(ARCHIVE / "photos" / name, source)
    shutil.copy(ARCHIVE / "solar/sunspots_yearly.npy", source)
    done = scalemark("run", source, "--out", out, "--direct", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def out(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "out")


@pytest.fixture
def labels(out, tmp_path):
    rows = pq.read_table(out / "items.parquet").to_pylist()
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        cells = csv.writer(file)
        cells.writerow(("name", "label"))
        cells.writerows(
            (row["path"], "accept" if row["path"] in GOOD else "reject")
            for row in rows
            if row["kind"] == "image"
        )
    return tmp_path / "labels.csv"


def test_label_train_apply_and_again(scalemark, out, labels):
    page = scalemark("label", out)
    assert page.returncode == 0, page.stderr
    assert "12 items: open" in page.stdout
    assert "sunspots_yearly.npy" in (out / "labels.html").read_text()
    trained = scalemark("train", out, "--labels", labels, "--solver", "lbfgs", "--c", "0.5")
    assert trained.returncode == 0, trained.stderr
    assert "of 11 labelled items, each tried on a rule that had not seen its file" in trained.stdout
    assert "by PIQE above 50, its own threshold" in trained.stdout
    assert json.loads((out / "model.json").read_text())["labels"] == ["accept", "reject"]
    assert (out / "model_card.html").exists()
    applied = scalemark("apply", out, "--model", out / "model.json")
    assert applied.returncode == 0, applied.stderr
    assert "11 images labelled now" in applied.stdout
    rows = pq.read_table(out / "items.parquet").to_pylist()
    assert {row["predicted"] for row in rows if row["kind"] == "image"} == {"accept", "reject"}
    again = scalemark("apply", out)
    assert "0 images labelled now, the others were up to date" in again.stdout


def test_derive_tells_what_it_cannot_derive(out, monkeypatch, capsys):
    monkeypatch.setattr("tasks.learning.derive._values", lambda *_: 1 / 0)
    assert derive(out, items="sun*") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "0 of 1 signals derived now, 1 not: scalemark failed on it, please report" in said


def test_derive_stores_and_draws(scalemark, out):
    done = scalemark("derive", out, "--items", "sun*", "--hidden", "8", "--max-iterations", "50")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 signals derived now" in done.stdout
    assert 'class="sparkline slopes"' in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "{out}", "--labels", "none.csv"), "cannot read the labels none.csv"),
        (("train", "{out}", "--labels", "{labels}", "--c", "0"), "c must be positive"),
        (("train", "{out}", "--labels", "{labels}", "--seed", "-1"), "seed must be 0 or more"),
        (("train", "{out}", "--labels", "{labels}", "--model", "{labels}"), "the file of labels"),
        (("train", "{out}", "--labels", "{labels}", "--penalty", "l1", "--solver", "lbfgs"),
         "cannot be trained so"),
        (("train", "{out}", "--labels", "{labels}", "--group-by", "folder"), "in one folder alone"),
        (("apply", "{out}"), "cannot read the model"),
        (("apply", "{out}", "--model", "{labels}"), "is damaged"),
        (("label", "{out}/none"), "holds no scalemark run"),
        (("label", "{out}", "--labels", "one"), "2 to 9 different words"),
        (("label", "{out}", "--page", "{labels}"), "no page of labels"),
        (("derive", "{out}", "--items", "x"), "no signal of"),
        (("derive", "{out}", "--smoothing", "-1"), "smoothing"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_one_message_and_exit_2(scalemark, out, labels, arguments, words):
    done = scalemark(*(part.format(out=out, labels=labels) for part in arguments))
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("scalemark: ")
    assert "Traceback" not in done.stderr


def test_an_output_in_use_is_exit_6(scalemark, out, labels):
    with lock.owned(Output(out).lock):
        for arguments in (("label", out), ("train", out, "--labels", labels), ("derive", out)):
            done = scalemark(*arguments)
            assert done.returncode == 6
            assert "in use by another scalemark run" in done.stderr


@pytest.mark.parametrize("command", ["label", "train", "apply", "derive"])
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys; from flows.cli import app\n"
        f"try: app([{command!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'prefect', 'dask', 'numpy', 'xarray', 'zarr', 'numba', 'PIL', 'pyarrow'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert f"Usage: scalemark {command}" in done.stdout
