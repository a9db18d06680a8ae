"""The step that writes the report."""

from tasks.batches import Order
from tasks.errors import StoreFailed
from tasks.output import replace
from tasks.report.collect import collect
from tasks.report.trim import render_within


def write_report(order: Order) -> None:
    """Write report.html from the tables, the ledger and the store."""
    output = order.output
    html = render_within(collect(output))
    try:
        replace(output.report, html.encode("utf-8"))
    except OSError as error:
        raise StoreFailed(f"cannot write {output.report}: {error.strerror}") from error
