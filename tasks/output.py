"""The output folder: where each thing lies."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Output:
    """Paths of one run's output folder."""

    root: Path

    @property
    def store(self) -> Path:
        """The Zarr store."""
        return self.root / "store.zarr"

    @property
    def ledger(self) -> Path:
        """The ledger: one row per input."""
        return self.root / "ledger.sqlite"

    @property
    def parquet(self) -> Path:
        """The table, for programs."""
        return self.root / "items.parquet"

    @property
    def components(self) -> Path:
        """The Gaussians of all signals, for programs."""
        return self.root / "components.parquet"

    @property
    def csv(self) -> Path:
        """The table, for spreadsheets."""
        return self.root / "items.csv"

    @property
    def columns(self) -> Path:
        """What each column of the table means."""
        return self.root / "items_columns.csv"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    @property
    def files(self) -> tuple[Path, ...]:
        """What a run writes for people, to be replaced whole."""
        return self.parquet, self.components, self.csv, self.columns, self.report

    @property
    def lock(self) -> Path:
        """Who is writing here."""
        return self.root / "run.lock"

    @property
    def turn(self) -> Path:
        """Whose turn it is, of the runs that a server starts."""
        return self.root / "turn.lock"


def replace(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader, or a crash, finds the old or the new file whole."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def holds(path: Path, mark: bytes) -> bool:
    """Tell whether a file may be written: it is not there, or its beginning has our mark."""
    try:
        with path.open("rb") as file:
            return mark in file.read(4096)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
