"""What applied rules say of a run's items, read back: for the table, the report and the log."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tasks import progress
from tasks.batches import Order
from tasks.ledger import Ledger
from tasks.output import Output
from tasks.slots import Slots
from tasks.store import LEARNED

STEP = "learned labels"
KINDS = ("image", "signal")
FEATURE_STEPS = "'piqe', 'describe', 'piecewise', 'scale space'"

OUTDATED = f"""
(done.hash != item.hash OR EXISTS (
    SELECT 1 FROM done AS feature WHERE feature.item = item.id
    AND feature.step IN ({FEATURE_STEPS}) AND feature.run > done.run))
"""
MARK = f"""
(SELECT done.fingerprint FROM done WHERE done.item = item.id AND done.step = '{STEP}'
 AND NOT {OUTDATED}) AS learned
"""
"""The mark of the rule behind an item's label, if the item is still what it was then."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A rule that was applied to one kind of a run's items."""

    kind: str
    labels: tuple[str, ...]
    mark: str
    """What its results bear in the ledger."""
    model: str
    """Name of its file."""
    trained: str
    """When."""
    summary: str
    """How good it was in cross-validation, in words."""


def remember(ledger: Ledger, applied: Applied) -> None:
    """Keep which rule a kind's labels come from."""
    ledger.set_meta(f"rule for {applied.kind}s", json.dumps(asdict(applied)))


def applied_rules(ledger: Ledger) -> dict[str, Applied]:
    """Return the rule that was applied to each kind, if any."""
    found = {}
    for kind in KINDS:
        if text := ledger.get_meta(f"rule for {kind}s"):
            values = json.loads(text)
            found[kind] = Applied(**{**values, "labels": tuple(values["labels"])})
    return found


class Learned:
    """The labels of a run's items.

    Parameters
    ----------
    output : Output
        The run.
    rules : mapping
        The applied rule of each kind, as `applied_rules` returns them.
    """

    def __init__(self, output: Output, rules: Mapping[str, Applied]) -> None:
        self.rules = rules
        self._slots = Slots(output.store)

    def columns(self) -> tuple[tuple[str, str], ...]:
        """Return a column's name and meaning for the probability of every label."""
        labels = dict.fromkeys(label for rule in self.rules.values() for label in rule.labels)
        return tuple(
            (column(label), f"probability of {label!r} by the rule that was applied")
            for label in labels
        )

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the label of an item's row and every probability; nothing where outdated.

        The row needs `MARK` beside the columns of `item`.
        """
        rule = self.rules.get(row["kind"])
        if rule is None or row["learned"] != rule.mark:
            return {}
        found = self._slots.named(LEARNED[row["kind"]], row["kind"], dict(row))
        if not found or not found["predicted"]:
            return {}
        place = int(found["predicted"]) - 1
        chances = [float(value) for value in found["probability"][: len(rule.labels)]]
        return {
            "predicted": rule.labels[place],
            "predicted_probability": chances[place],
            **{column(label): chance for label, chance in zip(rule.labels, chances, strict=True)},
        }


def column(label: str) -> str:
    """Return the name of the table's column for a label's probability."""
    return f"probability {label}"


def tell_outdated(order: Order) -> None:
    """Say how many items have no label by a rule that was applied before, or an old one."""
    with Ledger(order.output.ledger) as ledger:
        for kind, rule in applied_rules(ledger).items():
            count = ledger.number(
                f"SELECT count(*) FROM (SELECT {MARK} FROM item WHERE kind = ? "
                "AND status IN ('ok', 'flagged')) WHERE learned IS NOT ?",
                (kind, rule.mark),
            )
            if count:
                text = (
                    f"{count} {kind}s are new or changed since a rule was applied: "
                    f"`scalemark apply` with {rule.model} labels them"
                )
                progress.tell(progress.Note(stage=STEP, text=text))
