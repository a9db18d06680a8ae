"""Gather what the report shows from the table, the ledger and the store; never from the source."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.peaks import KINDS
from tasks import store
from tasks.fitness import versions
from tasks.ingest import GRAY
from tasks.learning.learned import Applied, applied_rules
from tasks.ledger import Ledger
from tasks.output import Output
from tasks.report import page
from tasks.report.derivatives import DerivativeDrawing, draw_derivatives, read_derivatives
from tasks.report.fits import draw_fit, read_fit
from tasks.report.pictures import Pictures
from tasks.report.sparklines import sparkline
from tasks.report.structure import draw_structure, read_structure
from tasks.slots import Slots

WORST_IMAGES, RANDOM_IMAGES, SIGNALS = 300, 100, 200
QUARANTINED, EXAMPLES, RUNS = 2000, 3, 10

REMEDIES = {
    "corrupt": "restore it from a copy, or export it again",
    "mismatch": "rename it after what it holds, or restore it from a copy",
    "empty": "restore it from a copy, or delete it",
    "unsupported": "convert it to a format that is read",
    "too-large": "raise --max-pixels, or convert it to tiled TIFF or Zarr, which are read in bands",
    "changed": "run again when nothing writes to it any more",
    "permission": "make it readable for this user and run again",
    "io-error": "check the disk or the network share and run again",
    "crash": "check the file in another program; then --retry-failed",
    "timeout": "raise item_timeout, then --retry-failed",
    "internal": "report it, with the file if you may share it; then --retry-failed",
    "store-damaged": "check the disk that holds the output; then --retry-failed",
}

DERIVED = """
SELECT item.id FROM item JOIN done ON done.item = item.id AND done.step = 'derive'
AND done.hash = item.hash
"""
Table = Any


def collect(output: Output) -> page.Page:
    """Return what the report shows of a run."""
    table = pq.read_table(output.parquet)
    images = _done(table, "image")
    signals = _done(table, "signal")
    scores = images["piqe"].to_numpy(zero_copy_only=False).astype(np.float64)
    with Ledger(output.ledger) as ledger:
        source = json.loads(ledger.get_meta("source") or '""')
        provenance = _provenance(ledger, table)
        rules = applied_rules(ledger)
        derived = {row["id"]: "" for row in ledger.execute(DERIVED)}
        derived |= ledger.failed_aside("derive", "signal")
    slots = Slots(output.store)
    return page.Page(
        title=Path(source).name or source,
        source=source,
        generated=time.strftime("%d %B %Y, %H:%M"),
        image_count=pc.sum(pc.equal(table["kind"], "image")).as_py() or 0,
        signal_count=pc.sum(pc.equal(table["kind"], "signal")).as_py() or 0,
        counts=_counts(table),
        scores=scores,
        images=_image_cards(slots, images, scores),
        signals=_signal_cards(slots, signals, provenance.parameters, derived),
        quarantined=_quarantined(table),
        quarantined_by_code=_codes(table),
        skipped=_skipped(table),
        rules=tuple(
            _rule(rule, images if kind == "image" else signals) for kind, rule in rules.items()
        ),
        provenance=provenance,
        selection=_selection(len(images), len(signals)),
    )


def _done(table: Table, kind: str) -> Table:
    done = pc.is_in(table["status"], pa.array(["ok", "flagged"]))
    return table.filter(pc.and_(done, pc.equal(table["kind"], kind)))


def _counts(table: Table) -> tuple[page.Count, ...]:
    found = Counter(table["status"].to_pylist())
    names = ["ok", "flagged", "quarantined", "skipped"]
    names += ["pending"] if found["pending"] else []
    return tuple(page.Count(name, found[name]) for name in names)


def choose(scores: NDArray[np.float64]) -> tuple[list[int], set[int]]:
    """Return which images to show, worst first, and which of them were drawn at random."""
    order = np.argsort(-np.nan_to_num(scores, nan=-1.0), kind="stable")
    worst, rest = order[:WORST_IMAGES], order[WORST_IMAGES:]
    generator = np.random.default_rng(0)
    drawn = generator.choice(rest, min(RANDOM_IMAGES, rest.size), replace=False)
    chosen = np.concatenate([worst, drawn]).astype(int)
    ranked = chosen[np.argsort(-np.nan_to_num(scores[chosen], nan=-1.0), kind="stable")]
    return ranked.tolist(), set(drawn.tolist())


def _selection(images: int, signals: int) -> str:
    notes = []
    if images > WORST_IMAGES:
        drawn = min(RANDOM_IMAGES, images - WORST_IMAGES)
        notes.append(
            f"the {WORST_IMAGES} worst images and {drawn} drawn at random of the other "
            f"{images - WORST_IMAGES:,}"
        )
    if signals > SIGNALS:
        notes.append(f"{SIGNALS} of {signals:,} signals, flagged ones first")
    return f"Shown here: {' and '.join(notes)}." if notes else ""


def _image_cards(
    slots: Slots, images: Table, scores: NDArray[np.float64]
) -> tuple[page.ImageCard, ...]:
    chosen, drawn = choose(scores)
    pictures = Pictures(slots)
    cards = []
    for n in chosen:
        row = images.slice(n, 1).to_pylist()[0]
        cards.append(
            page.ImageCard(
                path=row["path"],
                part=row["part"],
                status=row["status"],
                reason=row["reason"],
                score=row["piqe"],
                height=row["height"],
                width=row["width"],
                dtype=row["dtype"],
                route=row["route"] or "",
                thumbnail=pictures.thumbnail(row),
                active=row["active_fraction"],
                distorted=row["distorted_fraction"],
                noisy=row["noisy_fraction"],
                masks=pictures.masks(row),
                predicted=row["predicted"] or "",
                probability=row["predicted_probability"],
                drawn=n in drawn,
            )
        )
    return tuple(cards)


def _parameter(parameters: Mapping[str, Any], name: str) -> str:
    """Return one of the run's parameters, named with dots; nothing if it had no such one."""
    found: Any = parameters
    for part in name.split("."):
        found = found.get(part) or {} if isinstance(found, Mapping) else {}
    return found if isinstance(found, str) else ""


def _signal_cards(
    slots: Slots, signals: Table, parameters: Mapping[str, Any], derived: Mapping[int, str]
) -> tuple[page.SignalCard, ...]:
    flagged = pc.equal(signals["status"], "flagged").to_numpy(zero_copy_only=False)
    chosen = np.argsort(~flagged, kind="stable")[:SIGNALS]
    rows = (signals.slice(int(n), 1).to_pylist()[0] for n in chosen)
    return tuple(_signal_card(slots, row, parameters, derived) for row in rows)


def _signal_card(
    slots: Slots, row: dict[str, Any], parameters: Mapping[str, Any], derived: Mapping[int, str]
) -> page.SignalCard:
    stored = slots.named((store.SIGNAL, store.X), "signal", row)
    values, x = (v[: row["samples"]] for v in stored.values()) if stored else (np.empty(0),) * 2
    units = row["x_units"] or "1"
    fit, structure = read_fit(slots, row), read_structure(slots, row)
    log = _parameter(parameters, "pieces.fit.x_transform") == "log"
    baseline = list(KINDS)[int(structure["baseline_kind"])] if structure else "none"
    return page.SignalCard(
        path=row["path"],
        part=row["part"],
        status=row["status"],
        reason=row["reason"],
        length=row["samples"],
        finite_fraction=row["finite_fraction"] or 0.0,
        minimum=row["minimum"],
        maximum=row["maximum"],
        mean=row["mean"],
        noise=row["noise"],
        x_name=row["x_name"] or "sample",
        x_units=row["x_units"] or "1",
        units=row["units"] or "",
        route=row["route"] or "",
        sparkline=sparkline(values),
        derivatives=_derivatives(slots, values, row, derived.get(row["item"])),
        predicted=row["predicted"] or "",
        probability=row["predicted_probability"],
        fit=draw_fit(values, x, fit, log, units) if fit and stored else None,
        structure=(
            draw_structure(values, x, structure, baseline, units) if structure and stored else None
        ),
    )


def _derivatives(
    slots: Slots,
    values: Any,  # noqa: ANN401
    row: dict[str, Any],
    failure: str | None,
) -> DerivativeDrawing | None:
    """Draw derivatives, or say why there are none; nothing where none were asked for."""
    if failure:
        return DerivativeDrawing(curves=(), text=f"no derivatives: {failure}")
    slopes = None if failure is None else read_derivatives(slots, row)
    if slopes is None:
        return None
    finite = values[np.isfinite(values)]
    deviation = float(finite.std()) if finite.size else 0.0
    return draw_derivatives(slopes, deviation, row["units"] or "", row["x_units"] or "1")


def _rule(rule: Applied, items: Table) -> page.LearnedRule:
    found = Counter(items["predicted"].to_pylist())
    return page.LearnedRule(
        kind=rule.kind,
        labels=tuple(page.Count(label, found[label]) for label in rule.labels),
        without=found[None],
        model=rule.model,
        trained=rule.trained,
        summary=rule.summary,
    )


def _quarantined(table: Table) -> tuple[page.Quarantined, ...]:
    rows = table.filter(pc.equal(table["status"], "quarantined")).slice(0, QUARANTINED)
    return tuple(
        page.Quarantined(
            path=row["path"],
            part=row["part"],
            code=row["code"],
            reason=row["reason"],
            remedy=REMEDIES.get(row["code"], ""),
        )
        for row in rows.to_pylist()
    )


def _codes(table: Table) -> tuple[page.Count, ...]:
    rows = table.filter(pc.equal(table["status"], "quarantined"))
    return tuple(page.Count(*pair) for pair in Counter(rows["code"].to_pylist()).most_common())


def _skipped(table: Table) -> tuple[page.Skipped, ...]:
    rows = table.filter(pc.equal(table["status"], "skipped"))
    found: dict[str, list[str]] = {}
    for reason, path in zip(rows["reason"].to_pylist(), rows["path"].to_pylist(), strict=True):
        found.setdefault(reason, []).append(path)
    ranked = sorted(found.items(), key=lambda pair: -len(pair[1]))
    return tuple(
        page.Skipped(reason=reason, number=len(paths), examples=tuple(paths[:EXAMPLES]))
        for reason, paths in ranked
    )


def _provenance(ledger: Ledger, table: Table) -> page.Provenance:
    runs = ledger.rows("SELECT * FROM run ORDER BY id DESC LIMIT ?", (RUNS,))
    routes = Counter(route for route in table["route"].to_pylist() if route)
    return page.Provenance(
        versions=json.loads(runs[0]["versions"]) if runs else versions(),
        parameters={"gray": GRAY, **(json.loads(runs[0]["params"]) if runs else {})},
        routes=tuple(page.Count(route, number) for route, number in routes.most_common(50)),
        runs=tuple(
            page.Run(
                started=run["started"],
                finished=run["finished"] or "",
                outcome=_outcome(run, newest=n == 0),
                processed=ledger.number(
                    "SELECT count(DISTINCT item) FROM done WHERE run = ?", (run["id"],)
                ),
            )
            for n, run in enumerate(runs)
        ),
    )


def _outcome(run: Any, *, newest: bool) -> str:  # noqa: ANN401
    if run["finished"]:
        return "finished"
    return "wrote this page" if newest else "did not finish; a later run went on"
