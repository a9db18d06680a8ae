"""Each step that others get wrong, broken on purpose in the literal reference: our score tells.

The figures of the five official images are those of the same wrong step in the reference.
"""

import numpy as np
import pytest

from core.levels import image_levels
from core.piqe import piqe
from tests.core import piqe_reference
from tests.core.images import OFFICIAL, bundled, official, textured
from tests.core.piqe_reference import Rules, mean_over_all

NAMES = ("I03.bmp", "I04.bmp", "I06.bmp", "I08.bmp", "I19.bmp")
VARIANTS = {
    "as published": (Rules(), (100.0, 21.6244, 35.8645, 41.1475, 76.9485)),
    "gray not rounded": (Rules(rounds=False), (100.0, 21.9073, 34.9230, 41.3994, 77.1815)),
    "ddof 0": (Rules(ddof=0), (100.0, 23.8789, 38.1027, 44.0220, 77.4048)),
    "surround without the quirk": (
        Rules(surround_lacks=(7, 8)),
        (100.0, 21.3464, 35.9277, 41.0732, 77.0182),
    ),
    "border reflect101": (Rules(border="mirror"), (100.0, 22.08, 36.18, 41.47, 76.89)),
    "border symmetric": (Rules(border="reflect"), (100.0, 21.68, 36.02, 41.27, 76.94)),
    "border zero": (Rules(border="constant"), (100.0, 25.15, 40.58, 45.45, 76.85)),
    "RGB and BGR swapped": (
        Rules(channels=(2, 1, 0)),
        (100.0, 21.5878, 35.4705, 41.3468, 76.9234),
    ),
}
WRONG = {name: rules for name, (rules, _) in VARIANTS.items() if rules != Rules()}

needs_official = pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="the five official images are not in shared/data/piqe"
)


def broken(image, rules):
    return piqe_reference.piqe(image, rules).score


@needs_official
@pytest.mark.parametrize("name", VARIANTS)
def test_variants_give_their_figures_on_the_official_images(name):
    rules, figures = VARIANTS[name]
    found = [broken(official(image), rules) for image in NAMES]
    assert found == pytest.approx(figures, abs=0.006)
    ours = [piqe(official(image)).score for image in NAMES]
    agrees = np.isclose(ours, found, rtol=0, atol=1e-9)
    assert agrees.all() if name == "as published" else not agrees[1:].any()


@pytest.mark.parametrize("image", ["astronaut", "coffee", "china.jpg", "flower.jpg"])
@pytest.mark.parametrize("name", WRONG)
def test_no_variant_gives_our_score(name, image):
    assert abs(piqe(bundled(image)).score - broken(bundled(image), WRONG[name])) > 1e-3


@pytest.mark.parametrize("image", ["astronaut", "camera", "coffee", "chelsea"])
@pytest.mark.parametrize("name", ["ddof 0", "border zero"])
def test_smaller_deviations_and_dark_borders_raise_the_score(name, image):
    assert broken(bundled(image), WRONG[name]) > piqe(bundled(image)).score + 1


def test_squares_about_a_moving_mean_give_51_instead_of_40_on_camera():
    image = bundled("camera")
    assert piqe(image).score == pytest.approx(40.14, abs=0.005)
    assert broken(image, Rules(moving_mean=True)) == pytest.approx(51.57, abs=0.005)


@pytest.mark.parametrize("image", ["chelsea", "flower.jpg"])
def test_pypiqe_and_pyiqa_divide_by_the_maximum(image):
    image = bundled(image)
    assert image_levels(image).max() < 255
    assert abs(piqe(image).score - broken(image, Rules(divides_by_maximum=True))) > 0.1


def test_dividing_by_the_maximum_hides_the_exposure():
    bright = bundled("camera") / 255.0
    stretched = broken(bright / 4, Rules(divides_by_maximum=True))
    assert stretched == pytest.approx(piqe(bright).score, abs=1e-9)
    assert abs(piqe(bright / 4).score - stretched) > 1


@pytest.mark.parametrize("image", ["chelsea", "coffee", "china.jpg", "flower.jpg"])
def test_pypiqe_pads_symmetrically(image):
    image = bundled(image)
    assert image.shape[0] % 16 or image.shape[1] % 16
    assert abs(piqe(image).score - broken(image, Rules(padding="symmetric"))) > 0.5


def test_pypiqe_wants_bgr():
    image = bundled("flower.jpg")
    assert piqe(image[..., ::-1]).score == pytest.approx(
        broken(image, Rules(channels=(2, 1, 0))), abs=1e-9
    )
    assert abs(piqe(image[..., ::-1]).score - piqe(image).score) > 3


def test_pypiqe_returns_its_masks_in_another_order_than_it_says():
    stripes = np.broadcast_to(np.arange(64) // 6 % 2 * 255, (64, 64)).T.astype(np.uint8)
    grain = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    result = piqe(np.hstack([stripes, grain]))
    assert result.artifact[:, :3].all()
    assert not result.noise[:, :3].any()
    assert result.noise[:, 5:].all()
    assert not result.artifact[:, 5:].any()


def test_pyiqa_drops_the_last_rows():
    image = bundled("camera")[: 16 * 20 + 5, : 16 * 20 + 7]
    result = piqe(image)
    assert result.activity.shape == (21, 21)
    assert abs(result.score - broken(image, Rules(padding="crop"))) > 0.05


def test_pyiqa_marks_blocks_that_are_not_active():
    image = bundled("camera")
    result, ungated = piqe(image), piqe_reference.piqe(image, Rules(gated=False))
    assert np.count_nonzero(ungated.artifact & ~ungated.activity) > 100
    assert np.array_equal(result.artifact, ungated.artifact & ungated.activity)
    assert np.array_equal(result.noise, ungated.noise & ungated.activity)


def test_pyiqa_gives_nan_on_a_black_image():
    assert piqe(np.zeros((64, 64, 3), np.uint8)).score == 100.0
    with np.errstate(all="ignore"):
        levels = piqe_reference.gray_levels(np.zeros((64, 64)), Rules(divides_by_maximum=True))
    assert np.isnan(levels).all()


def test_pyiqa_loses_digits_in_float32():
    image = bundled("immunohistochemistry")
    assert abs(piqe(image).score - broken(image, Rules(precision=np.float32))) > 0.05
    assert piqe(image).score == pytest.approx(broken(image, Rules()), abs=1e-9)


@pytest.mark.parametrize(
    "rules", [Rules(ddof=0), Rules(border="mirror"), Rules(pooling=mean_over_all)]
)
def test_nrvqa_has_ddof_0_a_mirrored_border_and_another_pooling(rules):
    image = bundled("camera")
    assert abs(piqe(image).score - broken(image, rules)) > 0.1


def test_16_bits_are_scaled_by_their_class():
    image = textured((64, 80), "uint8", 1)
    wide = image.astype(np.uint16)
    assert piqe(wide * 257).score == piqe(image).score
    assert piqe(wide).score == 100.0
    assert piqe((wide * 257 ^ 0x8000).view(np.int16)).score == piqe(image).score
