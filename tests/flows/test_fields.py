"""The forms of the flows, as Prefect makes them from the signatures."""

import jsonschema
import pytest
from prefect.exceptions import ParameterTypeError

from flows.characterise import characterise
from flows.image_quality import image_quality
from flows.ingest import ingest
from flows.learn_apply import learn_apply
from flows.report import report
from flows.signal_structure import signal_structure

FLOWS = (characterise, image_quality, ingest, learn_apply, report, signal_structure)
PATHS = {"source", "out", "cluster", "model"}
each_path = pytest.mark.parametrize(
    ("flow", "name"),
    [(flow, name) for flow in FLOWS for name in flow.parameters.properties if name in PATHS],
    ids=lambda value: getattr(value, "name", value),
)


def filled(flow, **values):
    required = flow.parameters.required
    return {name: f"/data/{name}" for name in required} | values


def refused(flow, values):
    form = flow.parameters.model_dump()
    return [
        ".".join(map(str, error.absolute_path))
        for error in jsonschema.Draft202012Validator(form).iter_errors(values)
    ]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_the_form_explains_every_field(flow):
    form = flow.parameters
    silent = [name for name, field in form.properties.items() if not field.get("description")]
    assert silent == []
    assert refused(flow, filled(flow)) == []
    texts = {name: form.properties[name]["description"] for name in PATHS & set(form.properties)}
    assert [name for name, text in texts.items() if "bsolute path" not in text] == []


@each_path
@pytest.mark.parametrize("path", ["photos", "~/photos"])
def test_a_relative_path_is_refused_by_the_form_and_by_the_flow(flow, name, path):
    values = filled(flow, **{name: path})
    assert refused(flow, values) == [name]
    with pytest.raises(ParameterTypeError, match=f"- {name}: .*must be absolute"):
        flow.validate_parameters(values)
    flow.validate_parameters(filled(flow, **{name: "/data/photos"}))


@pytest.mark.parametrize("flow", [characterise, image_quality, ingest, signal_structure])
def test_the_form_asks_for_at_least_one_worker(flow):
    assert refused(flow, filled(flow, workers=0)) == ["workers"]
    assert refused(flow, filled(flow, workers=1)) == []
