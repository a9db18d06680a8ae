"""One archive with everything that a file system can hold against a reader."""

from pathlib import Path

from tests.bad_input import hostile_images, hostile_names, hostile_signals
from tests.bad_input.entries import Archive


def build(root: Path, *, unreadable: bool) -> Archive:
    """Fill a new folder; `unreadable` adds what file modes forbid to read."""
    archive = Archive(root)
    hostile_images.add_bombs(archive)
    hostile_images.add_damaged_images(archive)
    hostile_images.add_mislabelled_images(archive)
    hostile_images.add_rare_images(archive)
    hostile_images.add_zarr_folders(archive)
    hostile_signals.add_damaged_signals(archive)
    hostile_signals.add_tables(archive)
    hostile_signals.add_arrays(archive)
    hostile_signals.add_links_between_files(archive)
    hostile_signals.add_values(archive)
    hostile_names.add_names(archive)
    hostile_names.add_odd_names_of_each_format(archive)
    hostile_names.add_kinds(archive)
    if unreadable:
        hostile_names.add_unreadable(archive)
    return archive
