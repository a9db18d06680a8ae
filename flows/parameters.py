"""The parameters file: the same class as the form in the Prefect UI and the core's options."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from tasks.errors import UsageError
from tasks.ledger import Ledger
from tasks.output import Output
from tasks.pipeline import Params


def read_params(path: Path | None) -> Params:
    """Read parameters from YAML; what it does not name keeps its default.

    Raises
    ------
    UsageError
        Naming every unknown key and every bad value.
    """
    if path is None:
        return Params()
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the parameters file {path}: {error}") from error
    try:
        return TypeAdapter(Params).validate_python(values)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise UsageError(f"{path} has parameters that do not fit:\n" + "\n".join(lines)) from error


def params_of(out: Path) -> Params:
    """Return what the last run in `out` ran with; the defaults where there was none.

    Raises
    ------
    UsageError
        When another version of scalemark ran there, with parameters that this one has not.
    """
    output = Output(out.absolute())
    if not output.ledger.exists():
        return Params()
    with Ledger(output.ledger) as ledger:
        rows = ledger.rows("SELECT params FROM run ORDER BY id DESC LIMIT 1")
    try:
        return TypeAdapter(Params).validate_json(rows[0]["params"]) if rows else Params()
    except ValidationError as error:
        raise UsageError(
            f"{out} was written with parameters of another version of scalemark: "
            "run characterise once with the parameters filled in"
        ) from error


def params_with(out: Path, **given: Any) -> Params:  # noqa: ANN401
    """Return what the last run in `out` ran with, and on top what is given and not None."""
    return replace(params_of(out), **{name: v for name, v in given.items() if v is not None})


def default_yaml() -> str:
    """Return every parameter with its default, as a file to edit."""
    text: str = yaml.safe_dump(TypeAdapter(Params).dump_python(Params()), sort_keys=False)
    return text
