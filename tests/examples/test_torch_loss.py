import numpy as np
import pytest
from PIL import Image

from core.piqe import piqe
from core.soft_piqe import SoftPiqeParams, soft_piqe
from tests.core.images import bundled

torch = pytest.importorskip("torch", reason="torch is not installed")

from examples.torch_loss import sharpen  # noqa: E402
from examples.torch_loss.piqe_loss import piqe_loss  # noqa: E402


def batch(count, height, width):
    image = bundled("coffee")[100 : 100 + height, 150 : 150 + width] / 255.0
    shifted = [np.roll(image, 5 * k, axis=1) for k in range(count)]
    return torch.tensor(np.array(shifted)).movedim(-1, 1)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_gradcheck(channels):
    colour = batch(2, 18, 13)
    images = colour[:, 0] if channels is None else colour[:, :channels]
    images = images.clone().requires_grad_()
    # Single pixels of so small an image move the score by up to 4000 points per unit.
    assert torch.autograd.gradcheck(piqe_loss, (images,), eps=1e-7, atol=1e-3, rtol=1e-5)


def test_scores_and_gradients_are_those_of_each_image():
    images = batch(3, 40, 50).requires_grad_()
    scores = piqe_loss(images)
    (scores * torch.tensor([1.0, 0.0, -2.0])).sum().backward()
    for k, weight in enumerate([1.0, 0.0, -2.0]):
        expected = soft_piqe(images[k].detach().numpy().transpose(1, 2, 0))
        assert scores[k].item() == expected.score
        gradient = images.grad[k].numpy().transpose(1, 2, 0)
        np.testing.assert_allclose(gradient, weight * expected.gradient, rtol=1e-12)


def test_class_and_parameters_are_kept():
    images = batch(2, 20, 20).float()
    scores = piqe_loss(images, SoftPiqeParams().sharpened(0.1))
    assert scores.dtype == torch.float32
    assert not scores.requires_grad
    assert scores[0].item() != piqe_loss(images)[0].item()
    images.requires_grad_()
    piqe_loss(images).sum().backward()
    assert images.grad.dtype == torch.float32
    assert piqe_loss(images[:0]).shape == (0,)


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4, 3), (1, 2, 4, 4), (1, 1, 1, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="none of"):
        piqe_loss(torch.zeros(shape))


def test_other_classes_and_values_are_refused():
    with pytest.raises(ValueError, match="must be float32 or float64"):
        piqe_loss(torch.zeros((1, 4, 4), dtype=torch.float16))
    with pytest.raises(ValueError, match="NaN"):
        piqe_loss(torch.full((1, 4, 4), torch.nan))


def test_the_loss_goes_down_and_the_image_comes_nearer_to_the_truth():
    truth = sharpen.photograph(64)
    data = sharpen.degrade(truth)
    restored, course = sharpen.descend(data, sharpen.Weights(piqe=3e-4), steps=30)
    assert course[-1] < 0.5 * course[0]
    assert (restored - truth).square().mean() < 0.8 * (data - truth).square().mean()


def test_piqe_alone_is_gamed():
    truth = sharpen.photograph(64)
    data = sharpen.degrade(truth)
    gamed, _ = sharpen.descend(data, sharpen.GAMED["PIQE alone"], steps=30)
    before, after = (piqe(images[0].numpy()).score for images in (data, gamed))
    assert after < 0.5 * before
    assert (gamed - truth).square().mean() > (data - truth).square().mean()


def test_toy_run_prints_scores_and_draws(tmp_path, capsys):
    sharpen.main(sharpen.SHARPENED | sharpen.GAMED, size=32, steps=2, out=tmp_path / "all.png")
    printed = capsys.readouterr().out
    assert printed.count("PSNR") == 4
    with Image.open(tmp_path / "all.png") as drawn:
        assert drawn.size == (4 * 32, 32)
