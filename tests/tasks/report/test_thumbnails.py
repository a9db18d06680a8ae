import base64
import io

import numpy as np
import pytest
from PIL import Image

from tasks.report.thumbnails import masks, thumbnail

PREFIX = "data:image/webp;base64,"


def decode(address):
    assert address.startswith(PREFIX)
    content = base64.b64decode(address.removeprefix(PREFIX), validate=True)
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((600, 300, 3), (256, 128, 3)),
        ((300, 600), (128, 256, 3)),
        ((20, 30, 3), (20, 30, 3)),
        ((4, 9000, 3), (1, 256, 3)),
        ((1, 1, 3), (1, 1, 3)),
    ],
)
def test_a_thumbnail_keeps_the_shape_within_its_longest_side(shape, shown):
    assert decode(thumbnail(np.full(shape, 90, dtype=np.uint8))).shape == shown


def test_a_thumbnail_keeps_the_colours_in_their_order():
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[..., 0], image[..., 2] = 200, 60
    assert decode(thumbnail(image)).mean(axis=(0, 1)) == pytest.approx([200, 0, 60], abs=6)


def test_a_thumbnail_is_small():
    y, x = np.mgrid[0:3000, 0:4000]
    image = np.stack([y % 256, x % 256, (x + y) // 28], axis=-1).astype(np.uint8)
    assert len(thumbnail(image)) < 20_000


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 3)),
        np.zeros((8, 8, 4), dtype=np.uint8),
        np.zeros((0, 8, 3), dtype=np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ValueError, match="array of uint8, got"):
        thumbnail(image)


def test_masks_come_back_exactly():
    planes = np.random.default_rng(3).random((3, 47, 63)) < 0.4
    packed = masks(*planes)
    assert (packed.rows, packed.columns, packed.blocks_per_cell) == (47, 63, 1)
    np.testing.assert_array_equal(decode(packed.picture), np.moveaxis(planes, 0, -1) * 255)


def test_large_masks_are_pooled_and_lose_no_defect():
    planes = np.zeros((3, 700, 10), dtype=bool)
    planes[1, 699, 9] = True
    packed = masks(*planes)
    picture = decode(packed.picture)
    assert (packed.rows, packed.columns, packed.blocks_per_cell) == (234, 4, 3)
    assert np.argwhere(picture).tolist() == [[233, 3, 1]]


@pytest.mark.parametrize("shapes", [[(2, 2), (2, 2), (2, 3)], [(0, 2)] * 3, [(4,)] * 3])
def test_masks_that_do_not_fit_together_are_refused(shapes):
    with pytest.raises(ValueError, match=r"three \(block_y, block_x\) arrays alike"):
        masks(*(np.zeros(shape, dtype=bool) for shape in shapes))
