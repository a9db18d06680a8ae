import math
from dataclasses import fields, is_dataclass, replace
from typing import get_type_hints

import pytest
from pydantic import TypeAdapter

from core.form import _bounds
from tasks.piecewise import PiecesParams, SignalFit
from tasks.pipeline import Params


def nested(params):
    yield params
    for field in fields(params):
        value = getattr(params, field.name)
        if is_dataclass(value):
            yield from nested(value)


BOUNDED = [
    (params, name, bounds)
    for params in nested(Params())
    for name, hint in get_type_hints(type(params), include_extras=True).items()
    for bounds in _bounds(hint)
]


def below(bound, value):
    return bound - 1 if isinstance(value, int) else math.nextafter(bound, -math.inf)


def above(bound, value):
    return bound + 1 if isinstance(value, int) else math.nextafter(bound, math.inf)


def make(params, name, value):
    made = replace(params, **{name: value})
    # The step has the last word on how many pieces are kept.
    return PiecesParams(fit=made) if isinstance(made, SignalFit) else made


@pytest.mark.parametrize(("params", "name", "bounds"), BOUNDED)
def test_the_form_allows_what_the_class_allows(params, name, bounds):
    value = getattr(params, name)
    whole = isinstance(value, int) or name == "n_segments"
    like = 1 if whole else 1.0
    for bound, beyond in ((bounds.smallest, below), (bounds.largest, above)):
        if bound == math.inf:
            continue
        with pytest.raises(ValueError, match=name):
            make(params, name, beyond(bound, like))


def test_every_field_has_help_and_every_group_a_title():
    schema = TypeAdapter(Params).json_schema()
    groups = [schema, *schema["$defs"].values()]
    assert len(groups) > 10
    for group in groups:
        assert group["title"]
        assert "Params" not in group["title"] or group is schema
        for field in group["properties"].values():
            assert field["description"]
