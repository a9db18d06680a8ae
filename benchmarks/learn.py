"""How often a learnt rule is right beside PIQE's own threshold, in examples/learn.

    python -m benchmarks.learn          182 copies of 14 photographs, a minute
    python -m benchmarks.learn --toy    2 small photographs, seconds

Runs the example in a folder of its own: accept or reject, then which fault, each tried on
photographs of which the rule saw no copy. Accuracies come with their intervals of 95 %.
"""

import argparse
import tempfile
from pathlib import Path

from examples.learn import distortions

TOY = {"side": 96, "most": 2}


def main(side: int = 384, most: int | None = None) -> None:
    """Print the example's answers."""
    with tempfile.TemporaryDirectory() as folder:
        for line in distortions.answers(Path(folder), side, most):
            print(line, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="accuracy of a learnt rule and of a threshold")
    parser.add_argument("--toy", action="store_true", help="2 small photographs")
    main(**TOY if parser.parse_args().toy else {})
