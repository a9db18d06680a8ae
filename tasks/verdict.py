"""The verdict: which items are ok, and which deserve a look, and why."""

from dataclasses import dataclass
from sqlite3 import Row
from typing import Annotated, Any, ClassVar

from core.form import FORM, Within
from core.peaks.decompose import LARGEST
from tasks.batches import Order
from tasks.ledger import Ledger, Outcome
from tasks.scalars import Scalars

PAGE = 1000
LAST_STEP = {"image": "piqe", "signal": "scale space"}

CANDIDATES = f"""
SELECT item.id, item.kind, item.status, item.reason, item.note, item.stack, item.slot,
       item.samples
FROM item JOIN done ON done.item = item.id
AND done.step = CASE item.kind WHEN 'image' THEN '{LAST_STEP["image"]}'
                               ELSE '{LAST_STEP["signal"]}' END
AND done.hash = item.hash
WHERE item.status IN ('pending', 'ok', 'flagged') AND item.id > ?
ORDER BY item.id LIMIT ?
"""


@dataclass(frozen=True, kw_only=True)
class VerdictParams:
    """When an item is flagged. Changing these computes nothing again."""

    __pydantic_config__: ClassVar[dict[str, Any]] = FORM

    worst_score: Annotated[float, Within(0, 100)] = 50.0
    """An image with a higher PIQE score is flagged; 50 ends the scale's "fair"."""
    least_active: Annotated[float, Within(0, 1)] = 0.05
    """An image with a smaller fraction of blocks that hold structure is flagged."""
    shortest_signal: Annotated[int, Within(0)] = 8
    """A signal with fewer samples is flagged."""

    def __post_init__(self) -> None:
        if not 0 <= self.worst_score <= 100:
            raise ValueError(f"worst_score must be within 0 to 100, got {self.worst_score}")
        if not 0 <= self.least_active <= 1:
            raise ValueError(f"least_active must be within 0 to 1, got {self.least_active}")
        if self.shortest_signal < 0:
            raise ValueError(f"shortest_signal must be 0 or more, got {self.shortest_signal}")


def grade(score: float) -> str:
    """Return the word for a PIQE score, on the scale that came with it.

    Examples
    --------
    >>> [grade(score) for score in (12.0, 20.5, 50.0, 81.3)]
    ['excellent', 'good', 'fair', 'bad']
    """
    for limit, word in ((20, "excellent"), (35, "good"), (50, "fair"), (80, "poor")):
        if score <= limit:
            return word
    return "bad"


def judge(order: Order, params: VerdictParams) -> None:
    """Set every finished item's status and reason from what the store holds."""
    scalars = Scalars(order.output.store)
    last = -1
    with Ledger(order.output.ledger) as ledger:
        while rows := ledger.rows(CANDIDATES, (last, PAGE)):
            last = rows[-1]["id"]
            with ledger.writing():
                for row in rows:
                    _judge_item(ledger, row, scalars, params)


def _judge_item(ledger: Ledger, row: Row, scalars: Scalars, params: VerdictParams) -> None:
    place = row["kind"], row["stack"], row["slot"]
    if scalars.damaged(*place):
        reason = "its stored result is missing or damaged; --retry-failed computes it again"
        outcome = Outcome(item=row["id"], code="store-damaged", reason=reason)
        ledger.quarantine(outcome, LAST_STEP[row["kind"]])
        return
    features = scalars.of(*place)
    if row["kind"] == "image":
        reasons = image_reasons(features, params)
    else:
        reasons = signal_reasons(features, row["samples"], params)
    if row["note"]:
        reasons.append(row["note"])
    status, reason = ("flagged" if reasons else "ok"), "; ".join(reasons)
    if (status, reason) != (row["status"], row["reason"]):
        ledger.update(row["id"], status=status, code="", reason=reason)


def image_reasons(features: dict[str, float], params: VerdictParams) -> list[str]:
    """Say what is suspect about an image."""
    score, active = features["piqe"], features["active_fraction"]
    if active == 0:
        return [
            "no block holds structure: it is flat or very blurred, and scores 100 by definition"
        ]
    reasons = []
    if active < params.least_active:
        reasons.append(f"nearly flat: {active:.1%} of its blocks hold structure")
    if score > params.worst_score:
        reasons.append(f"{grade(score)} quality: PIQE {score:.1f}")
    return reasons


def signal_reasons(features: dict[str, float], samples: int, params: VerdictParams) -> list[str]:
    """Say what is suspect about a signal."""
    finite = features["finite_fraction"]
    if finite == 0:
        return ["no sample is a finite number"]
    reasons = []
    if samples < params.shortest_signal:
        reasons.append(f"short: {samples} sample{'s' if samples != 1 else ''}")
    if finite < 1:
        reasons.append(f"{1 - finite:.2%} of its samples are NaN or infinite")
    if features["minimum"] == features["maximum"] and samples > 1:
        reasons.append(f"constant: every finite sample is {features['minimum']:g}")
    largest = max(abs(features["minimum"]), abs(features["maximum"]))
    if largest > LARGEST:
        reasons.append(
            f"values up to {largest:.3g} in size: beyond {LARGEST:g} no Gaussians are looked for"
        )
    return reasons
