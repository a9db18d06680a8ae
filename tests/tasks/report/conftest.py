from types import SimpleNamespace

import numpy as np
import pytest

from tasks.report.page import (
    Count,
    ImageCard,
    Page,
    Provenance,
    Quarantined,
    Run,
    SignalCard,
    Skipped,
)
from tasks.report.sparklines import sparkline
from tasks.report.thumbnails import masks, thumbnail


def image_card(**changes):
    picture = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    blocks = np.ones((3, 4), dtype=bool)
    values = {
        "path": "folder/photo.jpg",
        "score": 42.0,
        "height": 40,
        "width": 50,
        "dtype": "uint8",
        "route": "Pillow RGB",
        "reason": "worth a look",
        "thumbnail": thumbnail(picture),
        "active": 1.0,
        "distorted": 0.5,
        "noisy": 0.25,
        "masks": masks(blocks, blocks, ~blocks),
        "details": (("camera", "X100"),),
    }
    return ImageCard(**(values | changes))


def signal_card(**changes):
    values = {
        "path": "folder/series.csv",
        "part": "column flux",
        "length": 5,
        "finite_fraction": 0.8,
        "minimum": 0.0,
        "maximum": 3.0,
        "mean": 1.5,
        "noise": 0.1,
        "x_name": "time",
        "x_units": "s",
        "units": "mV",
        "route": "pyarrow",
        "reason": "some samples are missing",
        "sparkline": sparkline([0.0, 1.0, float("nan"), 2.0, 3.0]),
    }
    return SignalCard(**(values | changes))


def whole_page(text="name", **changes):
    """Every kind of thing that a page can show, with `text` wherever a stranger may write."""
    values = {
        "title": text,
        "source": f"/data/{text}",
        "generated": "23 November 2026",
        "image_count": 12345,
        "signal_count": 678,
        "counts": (Count("ok", 11000), Count("flagged", 1345), Count("quarantined", 1)),
        "scores": np.array([10.0, 42.0, 55.5, 90.0, np.nan]),
        "images": (image_card(path=f"a/{text}", part=text, reason=text, details=((text, text),)),),
        "signals": (signal_card(path=f"a/{text}", part=text, reason=text, units=text),),
        "quarantined": (
            Quarantined(path=f"a/{text}", code="corrupt", reason=text, remedy=text, part=text),
        ),
        "skipped": (Skipped(reason=text, number=7, examples=(text,)),),
        "provenance": Provenance(
            versions={text: text},
            parameters={"step": {text: text}},
            routes=(Count(text, 3),),
            runs=(Run(started="then", finished="now", outcome=text, processed=4),),
        ),
        "selection": f"The worst of 12,345 are shown. {text}",
        "left_out": text,
    }
    return Page(**(values | changes))


@pytest.fixture(scope="session")
def make():
    return SimpleNamespace(image=image_card, signal=signal_card, page=whole_page)
