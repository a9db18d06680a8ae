"""The report's drawings as pixels, for pages that show no SVG."""

import base64
import io
from typing import Any

import pyarrow.parquet as pq
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from tasks.output import Output
from tasks.report.charts import finite_scores, histogram
from tasks.report.pictures import Pictures
from tasks.slots import Slots

COLOURS = {
    "excellent": "#14808c", "good": "#3f9142", "fair": "#b08800", "poor": "#d8701c",
    "bad": "#c0323f",
}  # fmt: skip
INK, FAINT, PAPER = "#333a45", "#d9dde3", "#ffffff"
SCALE = 2
"""Pixels of the picture for one of the drawing, for sharp screens."""


def distribution(scores: ArrayLike) -> str:
    """Draw how the PIQE scores are distributed.

    Parameters
    ----------
    scores : array of float
        Scores from 0 to 100; NaN is left out.

    Returns
    -------
    str
        ``data:image/png;base64,…``

    Examples
    --------
    >>> distribution([12.0, 48.5])[:22]
    'data:image/png;base64,'
    """
    drawing = histogram(scores)
    picture = Image.new("RGB", (drawing.width * SCALE, drawing.height * SCALE), PAPER)
    pen = ImageDraw.Draw(picture)
    axes = drawing.axes

    def write(x: float, y: float, text: str, anchor: str, colour: str = INK) -> None:
        font = ImageFont.load_default(11 * SCALE)
        pen.text((x * SCALE, y * SCALE), text, fill=colour, font=font, anchor=anchor)

    def box(left: float, top: float, right: float, bottom: float, colour: str) -> None:
        pen.rectangle([edge * SCALE for edge in (left, top, right, bottom)], fill=colour)

    for tick in drawing.y_ticks:
        box(axes.left, tick.at, axes.right, tick.at + 0.5, FAINT)
        write(axes.left - 6, tick.at, tick.text, "rm")
    for bar in drawing.bars:
        if bar.count:
            box(bar.x, bar.y, bar.x + bar.width, bar.y + bar.height, COLOURS[bar.grade])
    for band in drawing.bands:
        box(
            band.x + 1,
            axes.floor + 22,
            band.x + band.width - 1,
            axes.floor + 26,
            COLOURS[band.name],
        )
        write(band.x + band.width / 2, axes.floor + 36, band.name, "mm", COLOURS[band.name])
    for tick in drawing.x_ticks:
        write(tick.at, axes.floor + 12, tick.text, "mm")
    count = finite_scores(scores).size
    caption = f"PIQE score of {count:,} images; higher is worse"
    write((axes.left + axes.right) / 2, axes.floor + 56, caption, "mm")
    return _address(picture.quantize(32))


def _address(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def all_scores(output: Output) -> Any:  # noqa: ANN401
    """Return the scores of a run's images, from its table."""
    scores = pq.read_table(output.parquet, columns=["piqe"])["piqe"]
    return scores.drop_null().to_numpy()


def thumbnails(output: Output, items: list[int]) -> dict[int, str]:
    """Return thumbnails of images as data addresses, by item; what is damaged has none."""
    rows = pq.read_table(
        output.parquet,
        columns=["item", "stack", "slot", "height", "width"],
        filters=[("item", "in", items)],
    )
    pictures = Pictures(Slots(output.store))
    found = {row["item"]: pictures.thumbnail(row) for row in rows.to_pylist()}
    return {item: address for item, address in found.items() if address}
