import numpy as np
import pytest

from benchmarks.soft_piqe import torch_gradient, torch_soft_piqe
from core.luma import to_gray
from core.soft_piqe import SoftPiqeParams, soft_piqe, soft_piqe_score
from tests.core.images import crop
from tests.core.soft_piqe_reference import OTHER


def central_difference(image, direction, params, step):
    ahead = soft_piqe_score(image + step * direction, params)
    behind = soft_piqe_score(image - step * direction, params)
    return (ahead - behind) / (2 * step)


def extrapolated_difference(image, direction, params, step=4e-6):
    """Return central differences of two steps, Richardson's way, good to step**4."""
    near = central_difference(image, direction, params, step)
    far = central_difference(image, direction, params, 2 * step)
    return (4 * near - far) / 3


@pytest.mark.parametrize("params", [SoftPiqeParams(), OTHER], ids=["default", "other"])
@pytest.mark.parametrize(
    ("name", "shape"),
    [("camera", (90, 110)), ("coffee", (50, 67)), ("moon", (33, 48)), ("coins", (7, 100))],
)
def test_gradient_agrees_with_differences(name, shape, params):
    image = crop(name, shape)
    gradient = soft_piqe(image, params).gradient
    assert gradient.shape == image.shape
    rng = np.random.default_rng(1)
    for direction in [gradient / np.abs(gradient).max(), rng.choice([-1.0, 1.0], image.shape)]:
        expected = extrapolated_difference(image, direction, params)
        assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-6)


def test_gradient_agrees_with_differences_at_borders_and_corners():
    image = crop("camera", (37, 45))
    gradient = soft_piqe(image).gradient
    for y, x in [(0, 0), (0, 44), (36, 0), (36, 44), (36, 20), (18, 44), (0, 7), (31, 31), (16, 9)]:
        pixel = np.zeros_like(image)
        pixel[y, x] = 1.0
        expected = extrapolated_difference(image, pixel, SoftPiqeParams())
        assert gradient[y, x] == pytest.approx(expected, rel=1e-6, abs=1e-6 * np.ptp(gradient))


def test_gradient_by_colours_and_by_integers_is_in_their_own_units():
    colour = crop("coffee")
    gray = soft_piqe(to_gray(colour)).gradient
    weights = (0.298936021293775, 0.587043074451121, 0.114020904255103)
    np.testing.assert_allclose(soft_piqe(colour).gradient, gray[..., None] * weights, rtol=1e-9)
    whole = np.rint(255 * crop("camera")).astype(np.uint8)
    expected = soft_piqe(whole / 255.0)
    white = {"uint8": (1, 0), "uint16": (257, 0), "int16": (257, -32768)}
    for dtype, (factor, black) in white.items():
        found = soft_piqe((whole.astype(int) * factor + black).astype(dtype))
        assert found.score == pytest.approx(expected.score, abs=1e-8)
        tolerance = 1e-8 * np.abs(expected.gradient).max()
        by_unit = found.gradient * 255 * factor
        np.testing.assert_allclose(by_unit, expected.gradient, rtol=0, atol=tolerance)


def test_single_precision_gives_a_double_gradient():
    image = crop("camera").astype(np.float32)
    single, double = soft_piqe(image), soft_piqe(image.astype(np.float64))
    assert single.gradient.dtype == np.float64
    assert single.score == double.score


@pytest.mark.parametrize("shape", [(70, 90), (37, 48), (16, 1)])
def test_gradient_agrees_with_torch(shape):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for name in ("camera", "coins"):
        image = crop(name, shape)
        found, expected = soft_piqe(image), torch_gradient(torch, image)
        value = float(torch_soft_piqe(torch, torch.tensor(image)))
        assert found.score == pytest.approx(value, abs=1e-10)
        tolerance = 1e-10 * np.abs(expected).max()
        np.testing.assert_allclose(found.gradient, expected, rtol=0, atol=tolerance)
