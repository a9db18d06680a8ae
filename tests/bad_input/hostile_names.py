"""Hostile names and kinds of files: what a file system allows and no reader expects."""

import os
import socket
import unicodedata

import numpy as np
import zarr

from tests.bad_input.entries import Archive, inside
from tests.bad_input.hostile_images import good_images, tiff_bytes, zarr_folder
from tests.bad_input.hostile_signals import (
    FLUX,
    X,
    netcdf_bytes,
    npy_bytes,
    npz_bytes,
    parquet_bytes,
)

SCRIPT = "<script>alert(1)<script>"

FAR_FUTURE = 2**34 - 10**9
"""Seconds: the year 2483, past what 64-bit nanoseconds can say."""


def add_names(archive: Archive) -> None:
    png = good_images()["png"]
    composed = "caf\u00e9.png"
    for name in (
        "names/line\nbreak.png",
        "names/carriage\rreturn.png",
        "names/tab\tstop.png",
        "names/\x1b[31mred.png",
        "names/'single' \"double\".png",
        f"names/{SCRIPT}.png",
        'names/" onerror=alert(1) x=".png',
        "names/{{ 7*7 }}{% raw %}.png",
        "names/%s%n${HOME}`id`.png",
        "=cmd|' !A1'.png",
        "@SUM(1).png",
        "+1.png",
        "-rf.png",
        "names/gnp.\u202etxet.png",
        "names/zero\u200bwidth.png",
        "names/Photo.png",
        "names/photo.png",
        "names/PHOTO.PNG",
        f"names/{unicodedata.normalize('NFC', composed)}",
        f"names/{unicodedata.normalize('NFD', composed)}",
        "one/same.png",
        "two/same.png",
        "names/back\\slash.png",
        "names/*?[a].png",
        "names/ .png",
        "names/x.png ",
        b"names/\xff\xfe.png",
        b"\xe9t\xe9/photo.png",
        "names/" + "n" * 251 + ".png",
    ):
        archive.put(name, png)
    add_deep_folder(archive, png)


def add_deep_folder(archive: Archive, png: bytes) -> None:
    """A path of some two thousand bytes."""
    deep = "/".join(["deep", *("d" * 200 for _ in range(8))])
    path = archive.expect(f"{deep}/photo.png")
    path.write_bytes(png)


def add_odd_names_of_each_format(archive: Archive) -> None:
    """Readers that hand the name on to a library meet one that is not text, and one like a URL."""
    good = good_images()
    files = {
        "jpg": good["jpg"],
        "tif": tiff_bytes(np.eye(40, dtype=np.uint8)),
        "npy": npy_bytes(FLUX),
        "npz": npz_bytes(x=X, flux=FLUX),
        "parquet": parquet_bytes(),
        "nc": netcdf_bytes(archive, "h5netcdf"),
        "3.nc": netcdf_bytes(archive, "scipy"),
        "csv": b"x,flux\n1,2\n2,5\n3,1\n",
    }
    for stem in (b"\xe9", b"a::b", b"file:c", b"#?&"):
        for suffix, data in files.items():
            archive.put(b"odd/" + stem + b"." + suffix.encode(), data)
        zarr_folder(archive, b"odd/" + stem + b".zarr")
    broken = zarr_folder(archive, b"odd/\xe9 broken.zarr", "quarantined", "corrupt")
    (broken / "c/0/0").write_bytes(b"")
    broken = archive.expect(b"odd/\xe9 broken.nc", "quarantined", "corrupt")
    broken.write_bytes(files["nc"][:3000])
    group = archive.expect("odd/group.zarr", "quarantined", "unsupported", "UTF-8")
    group.mkdir()
    for name in (b"\xe9", b"plain"):
        array = zarr.create_array(
            zarr.storage.LocalStore(group / os.fsdecode(name)), shape=(32, 32), dtype="uint8"
        )
        array[:] = 7
    (group / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')


def add_kinds(archive: Archive) -> None:
    """What is not a regular file, and times that no number holds."""
    png = good_images()["png"]
    os.mkfifo(archive.expect("kinds/pipe.png", "skipped", "special", "named pipe"))
    with inside(archive.at("kinds/x").parent), socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
    archive.expect("kinds/socket.png", "skipped", "special", "socket")
    archive.expect("kinds/folder.jpg", "skipped", "folder", "folder").mkdir()
    archive.put("kinds/folder.jpg/photo.png", png)
    link = ("skipped", "link", "not followed")
    archive.expect("kinds/loop", *link).symlink_to("../kinds")
    archive.expect("kinds/itself.png", *link).symlink_to("itself.png")
    archive.expect("kinds/out.png", *link).symlink_to("/etc/hostname")
    archive.expect("kinds/root", *link).symlink_to("/")
    archive.expect("kinds/broken.png", *link).symlink_to("nowhere.png")
    for name, seconds in (("future", FAR_FUTURE), ("before_1970", -(10**9))):
        archive.put(f"kinds/{name}.png", png)
        os.utime(archive.at(f"kinds/{name}.png"), (seconds, seconds))
    pipe = zarr_folder(archive, "kinds/pipe.zarr", "quarantined", "unsupported", "named pipe")
    (pipe / "zarr.json").rename(pipe / ".zgroup")
    os.mkfifo(pipe / "zarr.json")
    outside = zarr_folder(archive, "kinds/link.zarr", "quarantined", "unsupported", "link")
    (outside / "c/1/0").unlink()
    (outside / "c/1/0").symlink_to("/etc/hostname")


def add_unreadable(archive: Archive) -> None:
    """A file and folders that may not be read; `readable_again` lets them be deleted."""
    permission = ("quarantined", "permission")
    archive.put("kinds/secret.png", good_images()["png"], *permission, "may not be read")
    archive.at("kinds/secret.png").chmod(0)
    archive.expect("kinds/locked", *permission, "cannot be listed").mkdir()
    archive.at("kinds/locked/photo.png").write_bytes(good_images()["png"])
    archive.at("kinds/locked").chmod(0)
    # Its names can be listed, and nothing more.
    archive.expect("kinds/listed/photo.png", *permission, "cannot be read")
    archive.at("kinds/listed/photo.png").write_bytes(good_images()["png"])
    archive.at("kinds/listed").chmod(0o400)


def readable_again(archive: Archive) -> None:
    for name in ("secret.png", "locked", "listed"):
        archive.at(f"kinds/{name}").chmod(0o700)
