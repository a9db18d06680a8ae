import numpy as np
import PIL.Image
import pytest
import tifffile

from tests.tasks.readers.image_files import (
    exif,
    only,
    parts_of,
    photo,
    refusal_of,
    route_of,
    saved,
)

RNG = np.random.default_rng(5)
GRAY = RNG.integers(0, 65536, (600, 70), dtype=np.uint16)
RGB = photo(300, 70)
LAYOUTS = [{}, {"rowsperstrip": 7}, {"tile": (32, 48)}]


def written(folder, image, **options):
    path = folder / "a.tif"
    tifffile.imwrite(path, image, **options)
    return path


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("image", [GRAY, RGB], ids=["gray", "RGB"])
def test_every_pixel_is_kept(tmp_path, image, compression, layout):
    photometric = "rgb" if image.ndim == 3 else "minisblack"
    options = {"compression": compression, "photometric": photometric, **layout}
    assert np.array_equal(only(written(tmp_path, image, **options)), image)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "zstd"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_predictors_and_byte_orders(tmp_path, compression, byteorder, bigtiff):
    options = {"predictor": True, "byteorder": byteorder, "bigtiff": bigtiff}
    path = written(tmp_path, GRAY, compression=compression, tile=(64, 32), **options)
    assert np.array_equal(only(path), GRAY)
    assert np.array_equal(only(written(tmp_path, GRAY, byteorder=byteorder)), GRAY)


@pytest.mark.parametrize(
    ("stored", "decoded"),
    [
        ("uint8", "uint8"),
        ("int16", "int16"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_classes(tmp_path, stored, decoded):
    image = (GRAY // 300).astype(stored)
    path = written(tmp_path, image, compression="deflate")
    assert parts_of(path)[0].dtype == decoded
    assert np.array_equal(only(path), image.astype(decoded))


@pytest.mark.parametrize("stored", ["int32", "uint32", "uint64", "int8", "complex64"])
def test_other_classes_are_refused(tmp_path, stored):
    code, reason = refusal_of(written(tmp_path, GRAY.astype(stored)))
    assert code == "unsupported"
    assert stored in reason
    assert "float64" in reason


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_planes_of_one_colour_each(tmp_path, layout, compression):
    planes = np.moveaxis(RGB, -1, 0)
    options = {"photometric": "rgb", "planarconfig": "separate", "compression": compression}
    assert np.array_equal(only(written(tmp_path, planes, **options, **layout)), RGB)


@pytest.mark.parametrize("layout", [{"rowsperstrip": 16}, {"tile": (32, 48)}])
@pytest.mark.parametrize("stored", ["rgb", "ycbcr", "minisblack"])
def test_jpeg_segments(tmp_path, layout, stored):
    image = RGB if stored != "minisblack" else RGB[..., 1]
    photometric = "rgb" if stored == "ycbcr" else stored
    arguments = {"level": 95, "outcolorspace": stored}
    options = {"compression": "jpeg", "compressionargs": arguments, "photometric": photometric}
    path = written(tmp_path, image, **options, **layout)
    with PIL.Image.open(path) as other:
        assert np.abs(only(path).astype(int) - np.asarray(other)).max() <= 2
    with tifffile.TiffFile(path) as tif:
        assert tif.pages[0].photometric.name.lower() == stored
        end = tif.pages[0].dataoffsets[1] + tif.pages[0].databytecounts[1]
    data = path.read_bytes()
    path.write_bytes(data[: end - 80] + bytes(80) + data[end:])
    assert refusal_of(path)[0] == "corrupt"


def test_bits(tmp_path):
    bits = RNG.integers(0, 2, (300, 37), dtype=np.uint8).astype(bool)
    white_one = written(tmp_path, bits, photometric="minisblack")
    assert np.array_equal(only(white_one), bits * np.uint8(255))
    white_zero = written(tmp_path, bits, photometric="miniswhite")
    assert np.array_equal(only(white_zero), ~bits * np.uint8(255))
    assert route_of(white_zero) == "tifffile, uncompressed, gray; white is zero, inverted"


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "tiff_lzw"])
def test_fax(tmp_path, compression):
    image = PIL.Image.fromarray(RGB).convert("1")
    path = saved(tmp_path / "a.tif", image, compression=compression)
    assert np.array_equal(only(path), np.asarray(image.convert("L")))


def test_zero_is_white(tmp_path):
    path = written(tmp_path, GRAY, photometric="miniswhite", compression="lzw")
    assert np.array_equal(only(path), 65535 - GRAY)


def test_twelve_bits_keep_their_values(tmp_path):
    image = GRAY >> 4
    path = written(tmp_path, image, bitspersample=12)
    assert np.array_equal(only(path), image)


def test_four_bits_reach_from_black_to_white(tmp_path):
    image = (GRAY >> 12).astype(np.uint8)
    assert np.array_equal(only(written(tmp_path, image, bitspersample=4)), image * 17)


def test_palette(tmp_path):
    table = RNG.integers(0, 65536, (3, 256), dtype=np.uint16)
    path = written(tmp_path, RGB[..., 0], photometric="palette", colormap=table)
    assert np.array_equal(only(path), (table >> 8).astype(np.uint8).T[RGB[..., 0]])
    assert route_of(path) == "tifffile, uncompressed, palette to RGB"


def test_cmyk_and_ycbcr_agree_with_pillow(tmp_path):
    image = PIL.Image.fromarray(RGB)
    for mode, how in (("CMYK", "CMYK to RGB"), ("YCbCr", "YCbCr to RGB")):
        converted = image.convert(mode)
        photometric = "separated" if mode == "CMYK" else "ycbcr"
        path = written(tmp_path, np.asarray(converted), photometric=photometric)
        assert np.array_equal(only(path), np.asarray(converted.convert("RGB")))
        assert how in route_of(path)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_a_fourth_sample(tmp_path, kind):
    alpha = RGB[..., :1]
    image = np.concatenate([RGB // 2, alpha], axis=-1)
    path = written(tmp_path, image, photometric="rgb", extrasamples=[kind])
    share = alpha / 255
    exact = {
        "unassalpha": share * (RGB // 2) + (1 - share) * 255,
        "assocalpha": np.minimum(RGB // 2 + (255.0 - alpha), 255),
        "unspecified": RGB // 2,
    }[kind]
    assert np.abs(only(path) - exact).max() <= 0.5
    remark = "extra samples left out" if kind == "unspecified" else "alpha composited over white"
    assert route_of(path) == f"tifffile, uncompressed, RGB; {remark}"


def test_gray_and_alpha(tmp_path):
    image = np.stack([RGB[..., 0], np.full((300, 70), 255, np.uint8)], axis=-1)
    options = {
        "photometric": "minisblack",
        "planarconfig": "contig",
        "extrasamples": ["unassalpha"],
    }
    assert np.array_equal(only(written(tmp_path, image, **options)), image[..., 0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, orientation):
    path = saved(tmp_path / "a.tif", PIL.Image.fromarray(RGB), exif=exif(orientation))
    turned = saved(tmp_path / "a.png", PIL.Image.fromarray(RGB), exif=exif(orientation))
    assert np.array_equal(only(path), only(turned))
