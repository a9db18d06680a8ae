"""What hostile files must not make scalemark do: run code, talk to a network, write elsewhere."""

import os
import re
from pathlib import Path


def test_no_file_is_unpickled(runs):
    assert runs.notes["classes"] == []


def test_no_program_is_started_and_no_network_asked(runs):
    assert runs.notes["started"] == []
    assert runs.notes["talks"] == []


def test_only_the_output_folder_is_written(runs):
    allowed = re.compile(rf"{re.escape(str(runs.serial.out))}(/|$)|/dev/null$|.*/__pycache__(/|$)")
    assert [path for path in runs.notes["written"] if not allowed.match(path)] == []


def test_outputs_are_named_by_scalemark_alone(runs):
    for run in (runs.serial, runs.cluster):
        for parent, folders, files in os.walk(run.out):
            for name in (*folders, *files):
                path = Path(parent, name)
                assert re.fullmatch(r"[\w.]+", name), path
                assert not path.is_symlink()
                assert path.resolve().is_relative_to(run.out)


def test_a_run_listens_and_talks_on_loopback_only(runs):
    assert runs.sockets, "the run was not watched"
    assert {local for local, _ in runs.sockets} == {"127.0.0.1"}
    assert {remote for _, remote in runs.sockets} <= {"127.0.0.1", ""}
    assert ("127.0.0.1", "") in runs.sockets
