"""Scale space and decomposition of signals: accuracy beside the truth, CPU time beside the peers.

    python -m benchmarks.scale_space            everything, about four minutes
    python -m benchmarks.scale_space --toy      small sizes, seconds

One process; CPU seconds of all its threads, which the BLAS needs to be kept to one for
(OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1). Compiling is not timed. Peers that are not installed
are said to be skipped: `pip install pyscsp phspectra`.
"""

import argparse
import importlib
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks import _gaussian_protocol as protocol
from core.gaussian import derivative, pieces
from core.peaks import DecomposeParams, decompose
from core.scale_space import fingerprint, stable_count

GAUSS1 = Path(__file__).parents[1] / "examples" / "archive" / "reference"
CERTIFIED = {
    "baseline": ([9.8778210871e1, 1.0497276517e-2], [5.7527312730e-1, 1.1406289017e-4]),
    "amplitude": ([1.0048990633e2, 7.1994503004e1], [5.8831775752e-1, 6.2622793913e-1]),
    "center": ([6.7481111276e1, 1.7899805021e2], [1.0460593412e-1, 1.2436988217e-1]),
    "sigma": ([2.3129773360e1, 1.8389389025e1], [1.7439951146e-1, 2.0134312832e-1]),
}
"""NIST StRD, Gauss1: parameters and standard deviations; its widths are sqrt(2) sigma."""
BASELINES = (0.0, 1.0, 100.0, 300.0, 1e4)
CELLS = (
    *((snr, sep) for snr in (10, 30, 100) for sep in (1.5, 2.0, 2.5, 3.0, 4.0, 6.0)),
    (300, 1.75), (300, 2.0), (1000, 1.5), (1000, 2.0))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured."""

    batch: tuple[int, int] = (1000, 4096)
    scales: int = 32
    long: int = 10_000_000
    long_peer: int = 1_000_000
    protocol: int = 10
    slow_peer: int = 1
    spectra: int = 200
    alarms: int = 2000
    cells: tuple[tuple[int, float], ...] = CELLS


TOY = Sizes(
    batch=(4, 512), scales=4, long=300_000, long_peer=50_000, protocol=1, slow_peer=1, spectra=5,
    alarms=20, cells=((30, 3.0),),
)  # fmt: skip


def cpu(action: Callable[[], object]) -> float:
    """Return CPU seconds of one call, over all threads of this process."""
    start = time.process_time()
    action()
    return time.process_time() - start


def two_gaussians() -> np.ndarray:
    """Return 400 samples with two Gaussians; their second difference has 4 crossings."""
    x = np.arange(400)
    return np.exp(-0.5 * ((x - 120) / 12) ** 2) + np.exp(-0.5 * ((x - 250) / 20) ** 2)


def crossings() -> dict[str, list[int]]:
    """Print how many of 198 scales show a wrong number of crossings, by baseline."""
    sigmas = np.geomspace(0.3, 20, 198)
    wrong: dict[str, list[int]] = {"scalemark": []}
    for truncate in (4, 8):
        wrong[f"gaussian_filter1d, truncate {truncate}"] = []
    for base in BASELINES:
        signal = base + two_gaussians()
        wrong["scalemark"].append(int((fingerprint([signal], sigmas).count != 4).sum()))
        for truncate in (4, 8):
            rows = [
                ndimage.gaussian_filter1d(signal, s, order=2, truncate=truncate) for s in sigmas
            ]
            counts = [
                np.count_nonzero(np.diff(np.signbit(row[np.abs(row) > 1e-12]))) for row in rows
            ]
            wrong[f"gaussian_filter1d, truncate {truncate}"].append(
                sum(int(count != 4) for count in counts)
            )
    print(f"wrong crossing counts of 198 scales, baselines {BASELINES}")
    for name, row in wrong.items():
        print(f"  {name:34s}{row}")
    return wrong


def batch_speed(sizes: Sizes) -> dict[str, float]:
    """Print CPU seconds of the second derivative of a batch at many scales."""
    rng = np.random.default_rng(0)
    signals = np.cumsum(rng.standard_normal(sizes.batch), axis=1)
    sigmas = np.geomspace(0.5, min(128.0, sizes.batch[1] / 16), sizes.scales)
    part = signals[:100]
    out = np.empty((part.shape[0], sigmas.size, part.shape[1]))
    derivative(part, sigmas, out=out)

    def all_parts() -> None:
        for top in range(0, len(signals), 100):
            derivative(signals[top : top + 100], sigmas, out=out[: len(signals[top : top + 100])])

    seconds = {"scalemark": min(cpu(all_parts) for _ in range(2))}
    for truncate in (4, 8):
        seconds[f"gaussian_filter1d, truncate {truncate}"] = cpu(
            lambda truncate=truncate: [
                ndimage.gaussian_filter1d(signals, s, order=2, truncate=truncate) for s in sigmas
            ]
        )
    taps = _pyscsp_taps()
    if taps is None:
        print("pyscsp: skipped, not installed")
    else:
        seconds["pyscsp's kernel, eps 1e-8, batched"] = cpu(
            lambda: [np.diff(ndimage.correlate1d(signals, taps(s)), n=2, axis=1) for s in sigmas]
        )
    _print_seconds(f"second derivative, {sizes.batch} at {sizes.scales} scales", seconds)
    fingerprint(part[:2], sigmas)
    took = cpu(lambda: fingerprint(part, sigmas)) * len(signals) / len(part)
    print(f"  crossings, links and tree as well: {took:.2f} s (scaled from {len(part)} signals)")
    return seconds


def _pyscsp_taps() -> Callable[[float], np.ndarray] | None:
    try:
        module = importlib.import_module("pyscsp.discscsp")
    except ImportError:
        return None
    return module.make1Ddiscgaussfilter


def _print_seconds(title: str, seconds: dict[str, float]) -> None:
    print(title + ", CPU seconds (x scalemark)")
    for name, value in seconds.items():
        print(f"  {name:34s}{value:8.2f} ({value / max(seconds['scalemark'], 1e-9):5.1f}x)")


def long_speed(sizes: Sizes) -> dict[str, float]:
    """Print CPU seconds and memory of one long signal at 16 scales, piece by piece."""
    rng = np.random.default_rng(1)
    signal = np.cumsum(rng.standard_normal(sizes.long))
    sigmas = np.geomspace(0.5, 128, 16)

    def all_pieces() -> float:
        return sum(float(piece.values[0, 0]) for piece in pieces(signal, sigmas))

    tracemalloc.start()
    all_pieces()
    held = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    seconds = {"scalemark": min(cpu(all_pieces) for _ in range(2))}
    some, factor = signal[: sizes.long_peer], sizes.long / sizes.long_peer
    for truncate in (4, 8):
        took = cpu(
            lambda truncate=truncate: [
                ndimage.gaussian_filter1d(some, s, order=2, truncate=truncate) for s in sigmas
            ]
        )
        seconds[f"gaussian_filter1d, truncate {truncate}"] = took * factor
    _print_seconds(f"{sizes.long} samples at 16 scales (peers scaled by {factor:g})", seconds)
    size = signal.nbytes / 2**20
    print(f"  peak memory of NumPy's arrays beside the signal's {size:.0f} MiB: {held:.1f} MiB")
    return seconds


def table(sizes: Sizes) -> dict[tuple[int, float], dict[str, float]]:
    """Print the share of exactly counted signals for each SNR and separation."""
    result: dict[tuple[int, float], dict[str, float]] = {}
    phspectra = protocol.by_phspectra()
    names = ("scalemark", "oracle", "find_peaks", "find_peaks_cwt", "phspectra")
    print(
        f"exact counts, 1 to 8 components, {8 * sizes.protocol} signals a cell"
        f" ({8 * sizes.slow_peer} for find_peaks_cwt and phspectra);"
        " coverage of 95 % intervals where the count is right"
    )
    print("  SNR   sep" + "".join(f"{name:>16s}" for name in names) + "   ms   amp/center/sigma")
    for snr, separation in sizes.cells:
        row = _cell(sizes, snr, separation, phspectra)
        result[snr, separation] = row
        cells = "".join(f"{row.get(name, np.nan):16.3f}" for name in names)
        cover = "/".join(f"{row[name]:.3f}" for name in ("amplitude", "center", "sigma"))
        print(f"{snr:5d} {separation:5.2f}{cells} {row['ms']:6.1f} {cover}", flush=True)
    return result


def _cell(
    sizes: Sizes, snr: int, separation: float, phspectra: protocol.Count | None
) -> dict[str, float]:
    noise = protocol.MEAN_HEIGHT / snr
    batches, right, oracle, covered, took = [], [], [], [], 0.0
    for count in range(1, 9):
        rng = np.random.default_rng([snr, int(100 * separation), count])
        signals, truth = protocol.made(rng, sizes.protocol, count, separation, snr)
        batches.append((signals, count))
        start = time.process_time()
        found = decompose(None, signals)
        took += time.process_time() - start
        right += list(found.n_components == count)
        oracle += [
            protocol.oracle(*pair, noise**2) == count for pair in zip(signals, truth, strict=True)
        ]
        covered.append(coverage(found, truth))
    series = sizes.slow_peer
    row = {
        "scalemark": float(np.mean(right)),
        "oracle": float(np.mean(oracle)),
        "find_peaks": protocol.best_share(
            [protocol.by_peaks(f) for f in (3, 4, 5, 6, 8, 10)], batches, noise, sizes.protocol
        ),
        "find_peaks_cwt": protocol.best_share(
            [protocol.by_wavelets(f) for f in (1, 2, 4, 8)], batches, noise, series
        ),
        "ms": 1e3 * took / len(right),
    }
    if phspectra is not None:
        row["phspectra"] = protocol.best_share([phspectra], batches, noise, series)
    inside = np.concatenate(covered)
    means = inside.mean(axis=0) if inside.size else np.full(3, np.nan)
    return row | dict(zip(("amplitude", "center", "sigma"), means, strict=True))


def coverage(found: object, truth: np.ndarray) -> np.ndarray:
    """Return (component, 3) whether intervals hold the truth, of exactly counted signals."""
    count = truth.shape[1]
    good = found.n_components == count  # type: ignore[attr-defined]
    inside = []
    for part, name in enumerate(("amplitude", "center", "sigma")):
        ends = getattr(found, f"{name}_interval")[good, :count]
        value = truth[good, :, part]
        inside.append(((ends[..., 0] <= value) & (value <= ends[..., 1])).ravel())
    return np.stack(inside, axis=-1)


def spectra_speed(sizes: Sizes) -> float:
    """Print CPU milliseconds of spectra of 424 samples with up to 5 components."""
    counts, total, right = (1, 2, 3, 4, 5), 0.0, 0
    for count in counts:
        for snr in (10, 30, 100):
            rng = np.random.default_rng([count, snr])
            signals, _ = protocol.made(rng, max(sizes.spectra // 15, 1), count, 3.0, snr, 424, 8.0)
            start = time.process_time()
            found = decompose(None, signals)
            total += time.process_time() - start
            right += int((found.n_components == count).sum())
    number = 15 * max(sizes.spectra // 15, 1)
    print(
        f"424 samples, 1 to 5 components 3 widths apart, SNR 10 to 100:"
        f" {1e3 * total / number:.2f} ms each, {right} of {number} counted exactly"
    )
    return 1e3 * total / number


def false_alarms(sizes: Sizes) -> float:
    """Print how often pure noise shows a component."""
    noise = np.random.default_rng(5).standard_normal((sizes.alarms, 1024))
    share = float((decompose(None, noise).n_components > 0).mean())
    print(f"pure noise: {100 * share:.3f} % of {sizes.alarms} signals of 1024 samples show any")
    return share


def certified() -> dict[str, tuple[float, float]]:
    """Print the least number of digits that agree with NIST's Gauss1, without starting values."""
    x, y = np.loadtxt(GAUSS1 / "nist_gauss1_generated.csv", delimiter=",", skiprows=1).T
    found = decompose(x, y[None], DecomposeParams(baseline="exponential"))
    digits: dict[str, tuple[float, float]] = {}
    for name, (values, deviations) in CERTIFIED.items():
        factor = np.sqrt(2.0) if name == "sigma" else 1.0
        pair = (getattr(found, name)[0, :2], getattr(found, f"{name}_error")[0, :2])
        digits[name] = tuple(  # type: ignore[assignment]
            float(-np.log10(np.abs(factor * ours / theirs - 1.0).max() + 1e-16))
            for ours, theirs in zip(pair, (values, deviations), strict=True)
        )
    counted = int(stable_count(y[None]).count[0])
    told = ", ".join(f"{name} {a:.1f} ({b:.1f})" for name, (a, b) in digits.items())
    print(
        f"NIST Gauss1: {int(found.n_components[0])} components, by the stable scale {counted};"
        f" digits of the parameters (of their errors): {told}"
    )
    return digits


def main(sizes: Sizes | None = None) -> dict[str, object]:
    """Print everything; return the figures."""
    s = sizes or Sizes()
    decompose(None, protocol.made(np.random.default_rng(0), 1, 2, 2.0, 30)[0])
    return {
        "crossings": crossings(),
        "batch": batch_speed(s),
        "long": long_speed(s),
        "certified": certified(),
        "spectra": spectra_speed(s),
        "alarms": false_alarms(s),
        "table": table(s),
    }


def _arguments(argv: Sequence[str] | None = None) -> bool:
    parser = argparse.ArgumentParser(description="Scale space and decomposition of signals")
    parser.add_argument("--toy", action="store_true", help="small sizes")
    return bool(parser.parse_args(argv).toy)


if __name__ == "__main__":
    main(TOY if _arguments() else None)
