"""CPU nanoseconds per logit of the softmax family, and its errors, beside SciPy and PyTorch.

    python -m benchmarks.softmax          a million rows of 3, 200,000 of 10, 20,000 of 1000
    python -m benchmarks.softmax --toy    a few rows, seconds

One thread; compiling is not timed; each figure is the best of its runs, which take turns with the
others'. Errors are the greatest over 4000 rows, in units of the last place, against long double.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.special

from benchmarks.piqe import cpu_seconds
from core.softmax import SoftmaxState, cross_entropy, log_softmax, logsumexp, softmax

try:
    import torch
except ImportError:
    torch = None

SHAPES = ((1_000_000, 3), (200_000, 10), (20_000, 1000))
TOY = ((50, 3),)
OURS = "softmax"
Long = np.longdouble


def candidates() -> dict[str, Callable[[np.ndarray], Any] | None]:
    """Return what is compared, by name; None stands for what is not installed."""
    found: dict[str, Callable[[np.ndarray], Any] | None] = {
        OURS: softmax,
        "softmax, SciPy": lambda logits: scipy.special.softmax(logits, axis=-1),
        "softmax, PyTorch": None,
        "log_softmax": log_softmax,
        "log_softmax, SciPy": lambda logits: scipy.special.log_softmax(logits, axis=-1),
        "log_softmax, PyTorch": None,
        "logsumexp": logsumexp,
        "logsumexp, SciPy": lambda logits: scipy.special.logsumexp(logits, axis=-1),
        "state": SoftmaxState.of,
        "cross-entropy and gradient": lambda x: cross_entropy(x, np.zeros(len(x), np.int64)),
    }
    if torch is not None:
        torch.set_num_threads(1)
        found["softmax, PyTorch"] = lambda x: torch.softmax(torch.from_numpy(x), -1).numpy()
        found["log_softmax, PyTorch"] = lambda x: torch.log_softmax(torch.from_numpy(x), -1).numpy()
    return found


def timings(shapes: Sequence[tuple[int, int]], runs: int) -> dict[str, list[float]]:
    """Print the table; return each candidate's nanoseconds per logit, one figure a shape."""
    compared = candidates()
    present = {name: function for name, function in compared.items() if function is not None}
    best = {name: [np.inf] * len(shapes) for name in present}
    for i, shape in enumerate(shapes):
        logits = np.random.default_rng(0).normal(0, 3, shape)
        for function in present.values():
            function(logits[:2])
        for _ in range(runs):
            for name, function in present.items():
                spent = 1e9 * cpu_seconds(function, logits, 1) / logits.size
                best[name][i] = min(best[name][i], spent)
    print(f"{'ns a logit (x softmax)':28s}" + "".join(f"{s!s:>20s}" for s in shapes))
    for name in compared:
        if name not in best:
            print(f"{name:28s}  skipped: not installed (pip install torch)")
            continue
        cells = (
            f"{ns:11.1f} ({ns / own:4.2f}x)" for ns, own in zip(best[name], best[OURS], strict=True)
        )
        print(f"{name:28s}", "  ".join(cells))
    return best


def made(rows: int) -> dict[str, np.ndarray]:
    """Return the logits whose errors are told, by name."""
    rng = np.random.default_rng(5)
    cases = {
        f"N(0, {scale}), {classes} classes": scale * rng.standard_normal((rows, classes))
        for scale, classes in ((1, 10), (10, 10), (100, 10), (1, 1000))
    }
    behind = -rng.uniform(30, 40, (rows, 9))
    return {**cases, "one ahead by 30 to 40": np.concatenate([np.zeros((rows, 1)), behind], axis=1)}


def errors(rows: int) -> dict[str, list[float]]:
    """Print and return the greatest errors of softmax and log_softmax, ours and SciPy's."""
    if np.finfo(Long).nmant < 60:
        print("errors: skipped: long double is no wider than double here")
        return {}
    figures = {}
    print("greatest error, ulp: softmax, log_softmax, and SciPy's")
    for name, logits in made(rows).items():
        behind = np.sort(logits.astype(Long), axis=-1)
        top = behind[:, -1:]
        rest = np.exp(behind[:, :-1] - top).sum(axis=-1, keepdims=True)
        logs = logits.astype(Long) - top - np.log1p(rest)
        exact = np.exp(logits.astype(Long) - top) / (1 + rest)
        figures[name] = [
            _ulps(softmax(logits), exact),
            _ulps(log_softmax(logits), logs),
            _ulps(scipy.special.softmax(logits, axis=-1), exact),
            _ulps(scipy.special.log_softmax(logits, axis=-1), logs),
        ]
        print(f"{name:28s}", "  ".join(f"{figure:9.3g}" for figure in figures[name]))
    return figures


def _ulps(found: np.ndarray, exact: np.ndarray) -> float:
    spacing = np.spacing(np.abs(exact).astype(np.float64)).astype(Long)
    return float(np.max(np.abs(found.astype(Long) - exact) / spacing))


def main(
    shapes: Sequence[tuple[int, int]] = SHAPES, runs: int = 7, rows: int = 4000
) -> dict[str, list[float]]:
    """Print everything; return each candidate's nanoseconds per logit, one figure a shape."""
    figures = timings(shapes, runs)
    errors(rows)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU ns per logit of softmax, and its errors")
    parser.add_argument("--toy", action="store_true", help="a few rows, one run")
    main(TOY, 1, 50) if parser.parse_args().toy else main()
