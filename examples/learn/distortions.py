"""Teach a rule to reject photographs that were spoiled in known ways, and try it on others.

    python -m examples.learn.distortions OUT                 every photograph of examples/archive
    python -m examples.learn.distortions OUT --photographs 4 --side 160

Each photograph is made small (which hides its own compression), and saved as it is and compressed,
blurred and noisy, a little and badly, in a folder of its own; what was done to a copy is its label.
A rule is trained, tried with whole photographs held out, and applied to the whole archive.
"""

import argparse
import csv
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps, ImageSequence

from tasks import pipeline
from tasks.learning.apply import apply
from tasks.learning.train import TrainParams, train
from tasks.pipeline import Params

ARCHIVE = Path(__file__).parents[1] / "archive"
PHOTOGRAPHS = (
    "photos/astronaut.png", "photos/cameraman.png", "photos/cat_turned_by_exif.jpg",
    "photos/coffee.png", "photos/dandelions_16mp.jpg", "photos/moose.webp",
    "photos/rocket_launch_pad.jpg", "photos/tower_stairs_tiled.tif", "medical/retina.jpg",
    "space/blue_marble.jpg", "space/hubble_deep_field.jpg", "textures/brick_grass_gravel.tif",
)  # fmt: skip
Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def jpeg(quality: int) -> Change:
    """Compress, and decode again."""

    def change(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return change


def blur(sigma: float) -> Change:
    """Blur with a Gaussian."""
    return lambda picture, _: picture.filter(ImageFilter.GaussianBlur(sigma))


def noise(sigma: float) -> Change:
    """Add Gaussian noise to every channel."""

    def change(picture: Image.Image, generator: np.random.Generator) -> Image.Image:
        pixels = np.asarray(picture, float)
        return Image.fromarray(
            (pixels + generator.normal(0, sigma, pixels.shape))
            .clip(0, 255)
            .round()
            .astype(np.uint8)
        )

    return change


# The bad ones can be seen at a glance, the others hardly; what lies between is left to taste.
MILD: dict[str, Change] = {
    "jpeg 95": jpeg(95), "jpeg 85": jpeg(85), "blur 0.4": blur(0.4), "blur 0.6": blur(0.6),
    "noise 1": noise(1), "noise 3": noise(3),
}  # fmt: skip
BAD: dict[str, Change] = {
    "jpeg 30": jpeg(30), "jpeg 15": jpeg(15), "blur 1.5": blur(1.5), "blur 3": blur(3),
    "noise 12": noise(12), "noise 25": noise(25),
}  # fmt: skip


def photographs(side: int, most: int | None = None) -> Iterator[tuple[str, Image.Image]]:
    """Yield a name and a picture of `side` pixels at most; every page of a file is one."""
    count = 0
    for path in PHOTOGRAPHS:
        with Image.open(ARCHIVE / path) as file:
            pages = [page.copy() for page in ImageSequence.Iterator(file)]
        for number, page in enumerate(pages):
            picture = ImageOps.exif_transpose(page).convert("RGB")
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
            yield f"{Path(path).stem}_{number}" if len(pages) > 1 else Path(path).stem, picture
            count += 1
            if count == most:
                return


def make_archive(source: Path, side: int, most: int | None = None) -> dict[str, dict[str, str]]:
    """Write the copies; return each question's labels by name."""
    generator = np.random.default_rng(0)
    accept: dict[str, str] = {}
    kind: dict[str, str] = {}
    for photograph, picture in photographs(side, most):
        (source / photograph).mkdir(parents=True)
        for word, change in {"as it is": None, **MILD, **BAD}.items():
            name = f"{photograph}/{word}.png"
            copy = picture if change is None else change(picture, generator)
            copy.save(source / name)
            accept[name] = "reject" if word in BAD else "accept"
            kind[name] = word.split()[0] if word in BAD else "good"
    return {"accept or reject": accept, "which fault": kind}


def ask(out: Path, question: str, labels: dict[str, str]) -> dict[str, Any]:
    """Train, apply; return what the model card tells."""
    stem = question.replace(" ", "_")
    path = out.parent / f"{stem}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "label"), *labels.items()])
    model = out.parent / f"{stem}.json"
    params = TrainParams(group_by="folder", balanced=True)
    found = dict(train(out, path, params, model).model.evaluation)
    apply(out, model)
    return found


def lines(question: str, found: dict[str, Any]) -> list[str]:
    """Return what came out, in words."""
    counts = ", ".join(f"{number} {label}" for label, number in found["counts"].items())
    told = [f"{question}: {found['items']} copies of {found['groups']} photographs ({counts})"]
    rows = [(f"a rule over {len(found['importance'])} features", found["accuracy"])]
    rows += [(one["name"], one["accuracy"]) for one in found["baselines"]]
    for name, one in rows:
        value, low, high = (100 * one[key] for key in ("value", "low", "high"))
        told.append(f"  {name:<52} {value:5.1f} %  ({low:.0f} to {high:.0f})")
    width = max(map(len, found["counts"]))
    for label, row in zip(found["counts"], found["confusion"], strict=True):
        told.append(f"  true {label:<{width}}  told " + " ".join(f"{number:5d}" for number in row))
    first = ", ".join(one["feature"] for one in found["importance"][:4])
    told.append(f"  told probabilities are {100 * found['calibration_error']:.0f} % off; "
                f"what matters most: {first}")  # fmt: skip
    return told


def answers(work: Path, side: int = 384, most: int | None = None) -> Iterator[str]:
    """Make the archive, characterise it, and ask both questions; yield what came out, in words."""
    questions = make_archive(work / "source", side, most)
    pipeline.characterise(work / "source", work / "out", Params())
    for question, labels in questions.items():
        yield from lines(question, ask(work / "out", question, labels))


def main(work: Path, side: int = 384, most: int | None = None) -> None:
    """Print the answers and where the report is."""
    for line in answers(work, side, most):
        print(line, flush=True)
    print(f"report: {work / 'out' / 'report.html'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="an empty folder")
    parser.add_argument("--side", type=int, default=384, help="pixels of the longer side")
    parser.add_argument("--photographs", type=int, help="how many; all if left out")
    given = parser.parse_args()
    main(given.work, given.side, given.photographs)
