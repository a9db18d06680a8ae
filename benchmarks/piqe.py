"""CPU nanoseconds per pixel, summed over threads, of PIQE here and elsewhere.

    python -m benchmarks.piqe            three sizes, two minutes with all peers
    python -m benchmarks.piqe --toy      a small one, seconds

Compares `core.piqe.piqe` with the same algorithm in vectorised NumPy and SciPy, with OpenCV's MSCN
map, and with pypiqe and pyiqa where they are installed. Decoding and compiling are not timed; each
figure is the best of its runs. Then come the memory of a score, the cost of a first call, and how
far the statistics are from OpenCV-contrib's BRISQUE features.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks import _piqe_peers as peers
from benchmarks._piqe_peers import Score
from core.mscn import MscnParams, mscn
from core.piqe import PiqeParams, piqe

SIZES = ((512, 512), (2000, 3000), (4000, 6000))
TOY = ((64, 96),)
PHOTO = Path(__file__).parents[1] / "examples" / "archive" / "photos" / "cameraman.png"
FAST = PiqeParams(mscn=MscnParams(precision="fast"))
DOUBLE, SINGLE = "scalemark", "scalemark, fast"
FIRST_CALL = """
import time
start = time.perf_counter()
import numpy as np
from core.piqe import piqe
loaded = time.perf_counter()
piqe(np.zeros((16, 16), np.uint8), statistics=True)
print(loaded - start, time.perf_counter() - loaded)
"""


def picture(shape: tuple[int, int]) -> np.ndarray:
    """Return a made gray image with flat, soft and noisy parts, as photographs have them."""
    rng = np.random.default_rng(0)
    values = sum(
        ndimage.zoom(rng.standard_normal((3 + (shape[0] >> k), 3 + (shape[1] >> k))), 2**k, order=1)
        [: shape[0], : shape[1]] * 12.0 * k
        for k in (1, 3, 5)
    )  # fmt: skip
    return (128 + values).clip(0, 255).astype(np.uint8)


def cpu_seconds(score: Callable[[np.ndarray], object], image: np.ndarray, runs: int) -> float:
    """Return the least processor time of some runs, over all threads of this process."""
    best = np.inf
    for _ in range(runs):
        start = time.process_time()
        score(image)
        best = min(best, time.process_time() - start)
    return best


def candidates() -> dict[str, Score | None]:
    """Return what is compared, by name; None stands for what is not installed."""
    buffers: dict[tuple[object, ...], np.ndarray] = {}

    def with_map(image: np.ndarray, params: PiqeParams) -> float:
        kind = params.mscn.window(image).half_taps.dtype
        out = buffers.setdefault((image.shape, kind), np.zeros(image.shape, kind))
        return piqe(image, params, mscn_out=out).score

    return {
        DOUBLE: lambda image: piqe(image).score,
        "scalemark, with MSCN map": lambda image: with_map(image, PiqeParams()),
        "scalemark, with statistics": lambda image: piqe(image, statistics=True).score,
        "scalemark, MSCN map alone": lambda image: float(mscn(image)[0, 0]),
        SINGLE: lambda image: piqe(image, FAST).score,
        "scalemark, fast, with MSCN map": lambda image: with_map(image, FAST),
        "scalemark, fast, with statistics": lambda image: piqe(image, FAST, statistics=True).score,
        "NumPy and SciPy": peers.scipy_piqe,
        "NumPy and SciPy, MSCN map alone": lambda image: float(
            peers.scipy_mscn(image.astype(np.float64))[0, 0]
        ),
        "OpenCV, MSCN map alone": peers.opencv_mscn(),
        "pypiqe": peers.pypiqe(),
        "pyiqa": peers.pyiqa(),
    }


def timings(sizes: Sequence[tuple[int, int]], runs: int) -> dict[str, list[float]]:
    """Print the table; return each candidate's nanoseconds per pixel, one figure a size."""
    figures: dict[str, list[float]] = {}
    images = [picture(shape) for shape in sizes]
    headings = "".join(f"{f'{height}x{width}':>27s}" for height, width in sizes)
    print(f"{'ns/px (x scalemark, x fast)':34s}{headings}")
    for name, score in candidates().items():
        if score is None:
            print(f"{name:34s}  skipped: not installed (pip install {name.split(',')[0].lower()})")
            continue
        score(images[0])
        figures[name] = [
            1e9 * cpu_seconds(score, image, runs * (10 if image.size < 1e6 else 1)) / image.size
            for image in images
        ]
        fast = figures.get(SINGLE, [np.nan] * len(images))
        cells = (
            f"{figure:9.2f} ({figure / double:5.1f}x, {figure / single:5.1f}x)"
            for figure, double, single in zip(figures[name], figures[DOUBLE], fast, strict=True)
        )
        print(f"{name:34s}", "  ".join(cells).replace("  nanx", "     -"), flush=True)
    return figures


def extra_memory(image: np.ndarray, params: PiqeParams | None = None) -> float:
    """Return how many MB one score adds to the process at its peak; Linux only."""
    piqe(image, params)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    piqe(image, params)
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1000


def first_calls() -> list[tuple[float, float]]:
    """Return seconds of import and of first call, without and with the cache of compiled loops."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        command = [sys.executable, "-c", FIRST_CALL]
        found = [
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            for _ in range(2)
        ]
    return [tuple(map(float, run.stdout.split())) for run in found]  # type: ignore[misc]


def distance_to_opencv() -> tuple[float, float] | None:
    """Return the median and largest relative distance of the statistics to OpenCV-contrib's."""
    features = peers.opencv_brisque()
    if features is None:
        return None
    image = np.asarray(Image.open(PHOTO))
    statistics = piqe(image, statistics=True).statistics
    assert statistics is not None
    distance = np.abs(features(image) / statistics.values - 1)
    return float(np.median(distance)), float(distance.max())


def main(sizes: Sequence[tuple[int, int]] = SIZES, runs: int = 5) -> dict[str, list[float]]:
    """Print everything; return each candidate's nanoseconds per pixel, one figure a size."""
    figures = timings(sizes, runs)
    image = picture(sizes[-1])
    for name, params in ((DOUBLE, PiqeParams()), (SINGLE, FAST)):
        print(f"{name}: a score of {image.shape} adds {extra_memory(image, params):.2f} MB at peak")
    for name, (load, call) in zip(("compiling", "from the cache"), first_calls(), strict=True):
        print(f"first call, {name}: {call:.2f} s after {load:.2f} s of imports")
    told = "not installed"
    if distance := distance_to_opencv():
        told = "{:.2%} off in the median, {:.2%} at most".format(*distance)
    print(f"18 statistics of {PHOTO.name} beside OpenCV-contrib's BRISQUE features: {told}")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU ns per pixel of PIQE")
    parser.add_argument("--toy", action="store_true", help="one small image, one run")
    main(TOY, 1) if parser.parse_args().toy else main()
