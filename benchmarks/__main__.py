"""Run every benchmark, each module here that has a `main`: `make bench`."""

import importlib
from pathlib import Path


def run_all() -> None:
    """Run them one after another, each under its own heading."""
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"benchmarks.{path.stem}")
        if hasattr(module, "main"):
            print(f"\n{module.__name__}: {(module.__doc__ or '').splitlines()[0]}")
            module.main()


if __name__ == "__main__":
    run_all()
