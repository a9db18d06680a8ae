import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tasks.report.page import Count
from tasks.report.render import flatten, render
from tasks.report.text import display

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></script><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "]]><!-- & &lt;b&gt; `${x}`",
    "line\nbreak\r\ttab\x00",
    "scan\u202egpj.exe\u2066",
    b"caf\xe9 \xff.jpg".decode("utf-8", "surrogateescape"),
    "javascript:alert(1)",
]


class Reader(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self.inside, self.contents = [], [], [], {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_data(self, data):
        if self.inside and self.inside[-1] in {"script", "style"}:
            self.contents.setdefault(self.inside[-1], []).append(data)
        self.words.append(data)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    @property
    def shape(self):
        return [(tag, list(attributes)) for tag, attributes in self.tags]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_changes_the_tags(make, text):
    benign, hostile = (Reader(render(make.page(words))) for words in ("name", text))
    assert hostile.shape == benign.shape


@pytest.mark.parametrize("text", HOSTILE)
def test_every_text_is_shown_and_valid(make, text):
    html = render(make.page(text))
    html.encode("utf-8")
    reader = Reader(html)
    paths = [attributes["data-path"] for _, attributes in reader.tags if "data-path" in attributes]
    assert paths == [f"a/{display(text)}"] * 2
    assert " ".join(display(text).split()) in reader.text


def test_nothing_is_fetched_and_nothing_runs_inline(make):
    for tag, attributes in Reader(render(make.page())).tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith(("#", "./", "data:"))
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        assert tag != "link" or attributes["rel"] == "icon"


def test_the_policy_allows_exactly_the_page_s_own_script_and_style(make):
    reader = Reader(render(make.page()))
    (policy,) = [
        attributes["content"]
        for _, attributes in reader.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
    for tag in ("script", "style"):
        content = reader.contents[tag][-1].encode("utf-8")
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_the_page_says_how_much_of_the_archive_it_shows(make):
    text = Reader(render(make.page())).text
    assert "12,345 images, 678 signals" in text
    assert "1 of 12,345 are shown" in text
    assert "The worst of 12,345 are shown." in text


def test_the_page_says_what_the_score_does_not_mean(make):
    text = Reader(render(make.page())).text
    for fact in ("10,073 photographs of KonIQ-10k", "+0.15", "29.9 to 9.7", "scores 100 by"):
        assert fact in text


def test_scores_that_are_not_shown_as_cards_are_in_the_distribution(make):
    text = Reader(render(make.page(scores=np.repeat([10.0, 90.0], [3000, 1000])))).text
    assert "Of 4,000 scored images, 1,000 (25.0 %) are graded bad" in text


def test_an_archive_of_signals_alone_has_no_gallery(make):
    page = make.page(image_count=0, images=(), scores=np.array([]), left_out="")
    reader = Reader(render(page))
    names = [attributes.get("id") for _, attributes in reader.tags]
    assert "signals" in names
    assert "images" not in names
    assert "distribution" not in names


def test_an_archive_without_trouble_says_so(make):
    text = Reader(render(make.page(quarantined=(), skipped=()))).text
    assert "Nothing is quarantined" in text
    assert "Nothing was skipped" in text


def test_images_without_a_score_or_a_picture_are_listed(make):
    card = make.image(score=None, thumbnail="", masks=None, active=None)
    text = Reader(render(make.page(images=(card,), scores=np.array([np.nan])))).text
    assert "no preview" in text
    assert "No image has a score." in text


def test_codes_are_counted_from_the_whole_where_it_is_told(make):
    page = make.page(quarantined_by_code=(Count("corrupt", 19_000), Count("io-error", 1_000)))
    text = Reader(render(page)).text
    assert "20,000 inputs could not be processed" in text
    assert "The first 1 are listed" in text


def test_an_endless_reason_is_cut(make):
    assert len(render(make.page("x" * 1_000_000))) < 200_000


def test_parameters_are_shown_by_dotted_name():
    tree = {"quality": {"mscn": {"taps": 7}}, "classes": [1, 2], "empty": {}}
    assert list(flatten(tree)) == [
        ("quality.mscn.taps", "7"),
        ("classes", "[1, 2]"),
        ("empty", "{}"),
    ]


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(make, theme):
    roots = re.findall(r":root \{(.*?)\}", render(make.page()), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", roots[theme]))
    grades = [
        (f"{name}-ink", f"{name}-soft") for name in ("excellent", "good", "fair", "poor", "bad")
    ]
    plain = [(ink, on) for ink in ("text", "muted", "accent") for on in ("ground", "surface")]
    for ink, on in [*grades, *plain, ("warn", "warn-soft")]:
        dark, light = sorted([luminance(colours[ink]), luminance(colours[on])])
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, on)
