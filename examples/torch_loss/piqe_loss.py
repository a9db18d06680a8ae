"""Soft PIQE as a loss in torch: one `torch.autograd.Function` around `core.soft_piqe`."""

from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from core.soft_piqe import SoftPiqeParams, soft_piqe, soft_piqe_score


def piqe_loss(images: torch.Tensor, params: SoftPiqeParams | None = None) -> torch.Tensor:
    """Return the soft PIQE of each image of a batch; differentiable once.

    Parameters
    ----------
    images : (n, y, x), (n, 1, y, x) or (n, 3, y, x) tensor
        float32 or float64, values as in [0, 1], on any device; the CPU computes.
    params : SoftPiqeParams, optional
        Thresholds and knobs.

    Returns
    -------
    (n,) tensor
        Scores, about 0 to 100, in the class and on the device of `images`.

    Raises
    ------
    ValueError
        If the batch, or an image in it, is not as above.
    """
    if images.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"images must be float32 or float64, got {images.dtype}")
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    elif images.ndim == 4 and images.shape[1] == 3:
        images = images.movedim(1, -1)
    elif images.ndim != 3:
        raise ValueError(
            f"images of shape {tuple(images.shape)} are none of (n, y, x), (n, 1, y, x), "
            "(n, 3, y, x); a single gray image is images[None]"
        )
    scores: torch.Tensor = _SoftPiqe.apply(images, params or SoftPiqeParams())
    return scores


class _SoftPiqe(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, params: SoftPiqeParams) -> torch.Tensor:  # noqa: ANN401
        arrays = images.detach().cpu().numpy()
        if not ctx.needs_input_grad[0]:
            return images.new_tensor([soft_piqe_score(array, params) for array in arrays])
        scores, gradients = np.empty(len(arrays)), np.empty(arrays.shape)
        for i, array in enumerate(arrays):
            found = soft_piqe(array, params)
            scores[i], gradients[i] = found.score, found.gradient
        ctx.save_for_backward(torch.from_numpy(gradients).to(images))
        return torch.from_numpy(scores).to(images)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_score: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ANN401
        (gradients,) = ctx.saved_tensors
        return gradients * by_score.view(-1, *[1] * (gradients.ndim - 1)), None
