"""Parameters as a form that a person can fill in: titles, help and bounds of their fields.

A class of parameters names `FORM` as its `__pydantic_config__`; whoever makes a JSON schema of it
(Prefect does, for its pages) then finds them there. Nothing is imported for it here.
"""

import ast
import inspect
import math
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True)
class Within:
    """Bounds of a number, as an annotation; `__post_init__` is what holds them.

    Examples
    --------
    >>> from typing import Annotated
    >>> Fraction = Annotated[float, Within(0, 1)]
    """

    smallest: float
    largest: float = math.inf


def fill(schema: dict[str, Any], of: type) -> None:
    """Complete the JSON schema of a class of parameters.

    Parameters
    ----------
    schema : dict
        The schema of the class, with its `properties`; changed in place.
    of : type
        The dataclass.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", of.__name__.removesuffix("Params"))
    schema["title"] = words.capitalize() or of.__name__
    help_texts = {name: text for base in reversed(of.__mro__) for name, text in _help(base)}
    hints = get_type_hints(of, include_extras=True)
    for name, field in schema["properties"].items():
        if name in help_texts:
            field["description"] = help_texts[name]
        for bounds in _bounds(hints[name]):
            for option in (field, *field.get("anyOf", ())):
                if option.get("type") in ("integer", "number"):
                    option["minimum"] = bounds.smallest
                    option |= {} if bounds.largest == math.inf else {"maximum": bounds.largest}


FORM: dict[str, Any] = {
    "use_attribute_docstrings": True,
    "extra": "forbid",
    "json_schema_extra": fill,
}


@cache
def _help(of: type) -> tuple[tuple[str, str], ...]:
    """Return the docstrings below the fields of a class, not those that it inherits."""
    try:
        source = textwrap.dedent(inspect.getsource(of))
    except (OSError, TypeError):
        return ()
    body = ast.parse(source).body[0].body  # type: ignore[attr-defined]
    return tuple(
        (field.target.id, inspect.cleandoc(text.value.value).replace("\n", " "))
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    )


def _bounds(hint: Any) -> list[Within]:  # noqa: ANN401
    """Return the bounds in an annotation, also in those of a choice such as `... | None`."""
    found = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Within)]
    return found + [bounds for inner in get_args(hint) for bounds in _bounds(inner)]
