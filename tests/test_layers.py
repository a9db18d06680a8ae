"""The one rule of the tree: flows use tasks, tasks use core, core uses NumPy, SciPy and numba."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {"PIL", "tifffile", "imagecodecs", "pyarrow", "h5netcdf", "h5py", "scipy"}
ARRAYS = {"numpy", "xarray", "dask", "distributed", "zarr"}
MAY_IMPORT = {
    "core": {"core", "numpy", "scipy", "numba"},
    "tasks": {"core", "tasks", "jinja2", "markupsafe"} | ARRAYS | FILES,
    "flows": {"flows", "tasks", "core", "prefect", "dask", "distributed", "pydantic", "yaml"}
    | {"cryptography", "cyclopts", "httpx", "rich"},
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_layer_imports_only_what_it_may(layer):
    paths = list((ROOT / layer).rglob("*.py"))
    assert paths
    for path in paths:
        extra = set(imported(path)) - MAY_IMPORT[layer] - sys.stdlib_module_names
        assert not extra, f"{path.relative_to(ROOT)} imports {sorted(extra)}"


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_no_other_distribution_provides_the_name(layer):
    assert set(packages_distributions()[layer]) == {"scalemark"}


def test_no_init_under_tests_shadows_core():
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_flow_modules_do_not_postpone_annotations():
    # Prefect resolves a served flow's annotations without the module's globals.
    for path in (ROOT / "flows").rglob("*.py"):
        assert "from __future__ import annotations" not in path.read_text(), path
