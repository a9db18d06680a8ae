import base64
import io

import numpy as np
from PIL import Image

from tasks.report import pixels
from tasks.report.charts import histogram


def test_the_picture_has_a_bar_of_its_grade_for_every_bin_that_holds_scores():
    scores = [3.0, 3.1, 3.2, 55.0, np.nan]
    address = pixels.distribution(scores)
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    drawing = histogram(scores)
    assert picture.shape[:2] == (2 * drawing.height, 2 * drawing.width)
    above_axis = picture[: int(2 * drawing.axes.floor) - 2]
    for grade, low, high in (("excellent", 2.5, 5.0), ("poor", 52.5, 55.0)):
        colour = [int(pixels.COLOURS[grade][n : n + 2], 16) for n in (1, 3, 5)]
        near = np.abs(above_axis - colour).max(axis=2) < 16
        columns = np.flatnonzero(near.any(axis=0))
        assert abs(columns[0] - 2 * drawing.axes.x(low)) <= 4
        assert abs(columns[-1] - 2 * drawing.axes.x(high)) <= 4
