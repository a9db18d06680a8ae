"""The types of the flows' parameters, what the form shows and refuses; and the tag of every run.

An annotated parameter keeps its help only where the flow's docstring has it under `Args:`.
"""

from typing import Annotated

from pydantic import AfterValidator, Field


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(
            f"must be absolute, such as /data/photos, got {path!r}: a run that a server starts has "
            "a working folder of its own, which is deleted at its end"
        )
    return path


AbsolutePath = Annotated[str, AfterValidator(_absolute), Field(json_schema_extra={"pattern": "^/"})]
"""A path on the machine of the run. The command line makes what it is given absolute."""

Workers = Annotated[int, Field(json_schema_extra={"minimum": 1})]
"""`flows.cluster` holds the bound, with words for the command line as well."""

TAG = "scalemark"
"""On every run of ours, by its deployment or by the command line; see the zombies in deploy.py."""
