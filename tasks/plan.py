"""What a run would do with a source: found by looking at headers, timed on a few items."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from core.descriptors import describe
from core.luma import to_gray
from core.piqe import PiqeParams, piqe
from tasks import batches, probe, scan
from tasks.batches import Item, Order
from tasks.output import Output
from tasks.piecewise import PiecesParams, fit_one
from tasks.readers import reader_named
from tasks.readers.base import Image, Limits, Part, Refused
from tasks.scale_space import StructureParams, structure_of
from tasks.scan import Found

SAMPLES = 24


@dataclass
class Share:
    """What a source holds of one format."""

    files: int = 0
    items: int = 0
    size: int = 0
    pixels: int = 0
    """Pixels, or samples of signals."""
    seconds: float = 0.0
    timed: int = 0
    """Pixels that `seconds` were spent on."""


@dataclass
class Plan:
    """What a run would do."""

    formats: dict[str, Share] = field(default_factory=dict)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def seconds(self, workers: int) -> float | None:
        """Estimate the run's time from the sample; None where nothing was timed."""
        timed = sum(share.timed for share in self.formats.values())
        if not timed:
            return None
        mean = sum(share.seconds for share in self.formats.values()) / timed
        work = sum(
            share.pixels * (share.seconds / share.timed if share.timed else mean)
            for share in self.formats.values()
        )
        return work / workers


def make_plan(source: Path, limits: Limits, sample_seconds: float = 5.0) -> Plan:
    """Look at every name below `source`; decode and score a few items to know the pace.

    Parameters
    ----------
    source : Path
        A folder, or one file; only read.
    limits : Limits
        As for a run.
    sample_seconds : float
        When to stop timing.
    """
    plan = Plan()
    order = Order(output=Output(source), source=source.resolve(), params=limits)
    candidates: list[tuple[Found, str, Part]] = []
    for found in scan.walk(source):
        if found.code:
            place = plan.skipped if found.status == "skipped" else plan.refused
            place[found.reason if found.status == "skipped" else (found.code, found.reason)] += 1  # type: ignore[index]
            continue
        _look(plan, order, found, candidates)
    _warm_up({part.kind for _, _, part in candidates})
    _time(plan, order, candidates, sample_seconds)
    return plan


def _look(
    plan: Plan, order: Order, found: Found, candidates: list[tuple[Found, str, Part]]
) -> None:
    item = Item(id=0, path=found.path, size=found.size, mtime_ns=found.mtime_ns)
    outcome = probe.probe_batch(order, batches.Batch(items=(item,)))[0]
    if outcome.code == "other":
        plan.skipped["not an image or signal that scalemark reads"] += 1
    elif outcome.code:
        plan.refused[outcome.code, outcome.reason] += 1
    else:
        facts = dict(outcome.facts)
        share = plan.formats.setdefault(facts["format"], Share())
        share.files += 1
        share.items += len(facts["parts"])
        share.size += found.size
        for part in facts["parts"]:
            share.pixels += _extent(part)
        if len(candidates) < 100 * SAMPLES and facts["parts"]:
            candidates.append((found, facts["format"], facts["parts"][0]))


def _extent(part: Part) -> int:
    return part.shape[0] * part.shape[1] if part.kind == "image" else part.shape[0]


def _warm_up(kinds: set[str]) -> None:
    """Load the compiled kernels, so that the sample does not pay for it."""
    import numpy as np

    if "image" in kinds:
        piqe(to_gray(np.zeros((16, 16, 3), np.uint8)), PiqeParams(), statistics=True)
    if "signal" in kinds:
        fit_one(np.arange(60.0), np.abs(np.arange(60.0) % 40 - 20), PiecesParams())


def _time(
    plan: Plan, order: Order, candidates: list[tuple[Found, str, Part]], limit: float
) -> None:
    until = time.monotonic() + limit
    step = max(1, len(candidates) // SAMPLES)
    for found, name, part in candidates[::step]:
        if time.monotonic() > until:
            return
        began = time.perf_counter()
        try:
            _do(order, found, name, part)
        except (Refused, OSError, ValueError):
            continue
        share = plan.formats[name]
        share.seconds += time.perf_counter() - began
        share.timed += _extent(part)


def _do(order: Order, found: Found, name: str, part: Part) -> None:
    """Do what a run does with an item, but for writing it."""
    import numpy as np

    path = probe.locate(order.source, found.path)
    probe.hash_of(path)
    decoded = reader_named(name).read(path, part)
    if isinstance(decoded, Image):
        for band in decoded.bands:
            piqe(to_gray(band), PiqeParams(), statistics=True)
    else:
        values = decoded.values
        describe(values[None], np.array([len(values)]))
        x = np.arange(len(values), dtype=np.float64) if decoded.x is None else decoded.x
        fit_one(x, values, PiecesParams())
        structure_of(x, values, StructureParams())
