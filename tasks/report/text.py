"""Text that strangers wrote, made visible and safe to print; numbers made easy to read."""

import math
import unicodedata

JOINERS = "\u200c\u200d"
"""Invisible, but words and emoji are spelled with them."""


def display(text: str) -> str:
    r"""Make every character of a name visible, so that no name can pass for another.

    Control characters, line breaks, bidirectional overrides and other invisible format
    characters become escapes; a byte that was no UTF-8 (a surrogate, as `os.fsdecode` gives it)
    becomes ``\xNN``. What comes out can always be encoded as UTF-8.

    Parameters
    ----------
    text : str
        Any string, also one with lone surrogates.

    Returns
    -------
    str
        The same text with nothing hidden; printable text comes back unchanged.

    Examples
    --------
    >>> print(display("scan\u202egpj.exe"))
    scan\u202egpj.exe
    >>> print(display("caf\udce9\n.png"))
    caf\xe9\n.png
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    category = unicodedata.category(character)
    hidden = category in {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"} and character not in JOINERS
    return character.encode("unicode_escape").decode("ascii") if hidden else character


def folder_and_name(path: str) -> tuple[str, str]:
    """Split a path after its last slash.

    Examples
    --------
    >>> folder_and_name("2024/june/IMG_1.jpg")
    ('2024/june/', 'IMG_1.jpg')
    """
    head, slash, name = path.rpartition("/")
    return head + slash, name


def shorten(text: str, longest: int) -> str:
    """Cut the middle out of a text, where names that differ differ least.

    Examples
    --------
    >>> shorten("a_very_long_name_0001.tif", 16)
    'a_very…_0001.tif'
    """
    if len(text) <= longest:
        return text
    tail = longest * 3 // 5
    return f"{text[: longest - tail - 1]}…{text[len(text) - tail :]}"


def count(number: int) -> str:
    """Write a whole number with its thousands apart.

    Examples
    --------
    >>> count(12345)
    '12,345'
    """
    return f"{number:,}"


def percent(fraction: float) -> str:
    """Write a fraction as a percentage that never rounds something to nothing or to all.

    Examples
    --------
    >>> percent(0.031), percent(0.00002), percent(0.99999), percent(1.0)
    ('3.1 %', '<0.1 %', '>99.9 %', '100 %')
    """
    if 0 < fraction < 0.0005:
        return "<0.1 %"
    if 0.9995 <= fraction < 1:
        return ">99.9 %"
    return f"{100 * fraction:.0f} %" if fraction in (0, 1) else f"{100 * fraction:.1f} %"


def quantity(value: float | None, units: str = "") -> str:
    """Write a measured value with four significant digits and its unit, or a dash for none.

    Examples
    --------
    >>> quantity(0.123456, "mV"), quantity(float("nan")), quantity(3.0, "1")
    ('0.1235 mV', '—', '3')
    """
    if value is None or not math.isfinite(value):
        return "—"
    return f"{value:.4g} {units if units != '1' else ''}".rstrip()


def size(number: int) -> str:
    """Write a number of bytes in decimal megabytes.

    Examples
    --------
    >>> size(10_000_000), size(1_250_000)
    ('10 MB', '1.25 MB')
    """
    return f"{number / 1e6:.4g} MB"
