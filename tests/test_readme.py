"""Every command of the README is run, or, where it starts a server, at least parsed."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from flows.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def clone(tmp_path):
    """A folder that looks like a clone that is set up, and a home with photographs."""
    if not (ROOT / ".venv/runtime.stamp").exists():
        pytest.skip("no .venv made by make here")
    folder = tmp_path / "clone"
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in (".git", "archive-report"):
            (folder / path.name).symlink_to(path)
    shutil.copytree(ROOT / "examples/archive/degraded", tmp_path / "home/photos")
    return folder


@pytest.mark.timeout(600)
def test_the_commands_run_as_written(clone):
    commands = [block for block in blocks("sh") if "not run here" not in block]
    assert len(commands) == 3
    home = clone.parent / "home"
    environment = os.environ | {"HOME": str(home), "PREFECT_HOME": str(home / ".prefect")}
    environment.pop("PREFECT_API_URL", None)
    done = subprocess.run(
        ["bash", "-e", "-c", "".join(commands)],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (clone / "archive-report/report.html").exists()
    assert (home / "photos-report/report.html").exists()
    assert done.stdout.count("report.html") == 8
    assert "28 labelled items, each tried on a rule that had not seen its file" in done.stdout
    for figure, words in ((68, "right on"), (79, "by always the commonest label")):
        line = next(line for line in done.stdout.splitlines() if words in line)
        told = float(re.search(r"([\d.]+) %", line)[1])
        assert (round(told), f"on {figure} %" in README) == (figure, True)


def test_the_commands_that_start_servers_parse():
    own = [
        shlex.split(words)
        for words in re.findall(r"bin/scalemark ([^\"\n]+)", "".join(blocks("text")))
    ]
    wanted = {"serve", "deploy", "watch", "run", "certificates"}
    assert {arguments[0] for arguments in own} >= wanted
    for arguments in own:
        app.parse_args(arguments, exit_on_error=False, print_error=False)


def test_the_python_examples():
    import doctest

    example = "".join(blocks("python"))
    test = doctest.DocTestParser().get_doctest(example, {}, "README", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)h#][^)]*)\)", README):
        assert (ROOT / target).exists(), target
