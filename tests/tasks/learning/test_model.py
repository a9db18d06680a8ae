import json

import numpy as np
import pytest

from core.design import learn_design
from core.rule import LinearRule
from tasks.errors import StoreFailed, UsageError
from tasks.learning.model import Model, read_model, write_model


def model(**changes):
    generator = np.random.default_rng(0)
    design = learn_design(generator.normal(size=(20, 2)), ("piqe", "noisy_fraction"))
    rule = LinearRule.of(design, generator.normal(size=(1, 2)), [0.1])
    values = {"kind": "image", "labels": ("no", "yes"), "rule": rule, "steps": {"piqe": "{}"}}
    return Model(**(values | changes))


@pytest.fixture
def path(tmp_path):
    write_model(tmp_path / "model.json", model(evaluation={"summary": "good"}))
    return tmp_path / "model.json"


def test_every_bit_comes_back_and_no_pickle_is_in_it(path):
    assert read_model(path) == model(evaluation={"summary": "good"})
    values = json.loads(path.read_text())
    assert values["format"] == "scalemark model"
    assert values["rule"]["design"]["features"] == ["piqe", "noisy_fraction"]


def test_the_digest_is_of_the_rule_not_of_what_is_told_of_it():
    assert model().digest == model(made={"when": "now"}, evaluation={"x": 1}).digest
    assert model().digest != model(labels=("yes", "no")).digest
    assert model().digest != model(steps={"piqe": '{"version": 2}'}).digest


def test_the_file_s_digest_is_of_what_is_told_of_the_rule_too(path):
    values = json.loads(path.read_text())
    values["evaluation"]["summary"] = "better"
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match="its digest differs"):
        read_model(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.update(version=3), "model format 3, this scalemark reads 2"),
        (lambda v: v.update(format="other"), "is no model that `scalemark train` wrote"),
        (lambda v: v["rule"]["coefficients"][1].__setitem__(0, 9.9), "its digest differs"),
        (lambda v: v["rule"]["coefficients"][1].__setitem__(0, "x"), "is damaged"),
        (lambda v: v["rule"]["coefficients"][1].pop(), "is damaged"),
        (lambda v: v["rule"]["design"]["scale"].__setitem__(0, 0.0), "is damaged"),
        (lambda v: v.update(labels=["no"]), "is damaged"),
        (lambda v: v.update(kind="film"), "is damaged"),
        (lambda v: v.pop("steps"), "'steps' is missing"),
        (lambda v: v.pop("digest"), "its digest differs"),
        (lambda v: v.update(made=["when"]), "is damaged \\(made is no object"),
        (lambda v: v.update(evaluation="good"), "is damaged \\(evaluation is no object"),
    ],
)
def test_a_file_that_was_changed_or_is_newer_is_refused(path, change, words):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match=words):
        read_model(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_what_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"damaged|no model"):
        read_model(path)


def test_a_cut_file_is_refused_wherever_it_is_cut(path):
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:end])
        with pytest.raises(UsageError, match="model"):
            read_model(path)


def test_a_missing_file_and_a_folder_that_is_not_there_are_named(tmp_path):
    with pytest.raises(UsageError, match="cannot read the model"):
        read_model(tmp_path / "none.json")
    with pytest.raises(StoreFailed, match="cannot write the model"):
        write_model(tmp_path / "none/model.json", model())
