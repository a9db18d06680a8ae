"""What lies in deploy/, held to its schemas and linters. Nothing here starts a container, a pod or
a batch job: there is no engine, cluster or queue on the machines where the tests run."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from flows import cluster
from flows.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
DASK_CLUSTER = DEPLOY / "kubernetes/dask-cluster.yaml"
MANIFESTS = sorted({*(DEPLOY / "kubernetes").glob("*.yaml")} - {DASK_CLUSTER})


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def run(*command):
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return done.returncode, done.stdout + done.stderr


def test_the_containerfile_has_no_lint(tmp_path):
    assert run(BIN / "hadolint", DEPLOY / "Containerfile") == (0, "")
    bad = tmp_path / "Containerfile"
    bad.write_text((DEPLOY / "Containerfile").read_text().replace("USER 1000", "USER root"))
    code, said = run(BIN / "hadolint", bad)
    assert code == 1
    assert "DL3002" in said


def test_what_the_containerfile_copies_is_there_and_not_ignored():
    text = (DEPLOY / "Containerfile").read_text()
    sources = [
        word
        for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE)
        for word in line.split()[:-1]
        if not word.startswith("--")
    ]
    assert "flows" in sources
    ignore = (DEPLOY / "Containerfile.containerignore").read_text()
    assert (DEPLOY / "Containerfile.dockerignore").read_text() == ignore
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}\n" in ignore, source


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_the_compose_file_fits_its_schema(tmp_path):
    check = (BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    code, said = run(*check, DEPLOY / "compose.yaml")
    assert code == 0, said
    bad = tmp_path / "compose.yaml"
    bad.write_text((DEPLOY / "compose.yaml").read_text().replace("healthcheck:", "heathcheck:"))
    assert run(*check, bad)[0] == 1


def test_the_compose_file_opens_one_port_to_this_machine_alone():
    services = compose()["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:4200:4200"]
    on_dask = {name for name, one in services.items() if "dask" in one.get("networks", [])}
    assert on_dask == {"worker", "dask-scheduler", "dask-worker"}
    assert compose()["networks"]["dask"]["internal"]


def test_every_name_in_the_compose_file_leads_somewhere():
    file = compose()
    for name, service in file["services"].items():
        assert set(service.get("depends_on", {})) <= set(file["services"]), name
        assert set(service.get("networks", [])) <= set(file["networks"]), name
        volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith("$")} <= set(file["volumes"])


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_the_manifests_fit_the_schemas_of_kubernetes(path):
    found = documents(path)
    assert found
    for document in found:
        if document["kind"] != "Kustomization":  # a file for kubectl, which has no such schema
            kubernetes_validate.validate(document, "1.33", strict=True)


def test_a_manifest_that_does_not_fit_is_found():
    document = documents(DEPLOY / "kubernetes/worker.yaml")[0]
    document["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(document, "1.33", strict=True)


def test_the_kustomization_names_every_manifest():
    named = documents(DEPLOY / "kubernetes/kustomization.yaml")[0]["resources"]
    assert sorted(named) == sorted(path.name for path in MANIFESTS if path.stem != "kustomization")


def test_kubectl_builds_the_manifests():
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl here")
    code, said = run("kubectl", "kustomize", DEPLOY / "kubernetes")
    assert code == 0, said
    kinds = [document["kind"] for document in yaml.safe_load_all(said)]
    assert kinds.count("Deployment") == 4


def pods():
    """Yield name and pod of every workload."""
    for path in MANIFESTS:
        for document in documents(path):
            if document["kind"] in ("Deployment", "StatefulSet"):
                yield document["metadata"]["name"], document["spec"]["template"]


def test_every_pod_is_confined_and_finds_what_it_mounts():
    for name, pod in pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        held = {volume["name"] for volume in spec.get("volumes", [])}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }, name
            mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounts <= held | {"data"}, name


def test_every_service_and_policy_finds_its_pods():
    labels = [pod["metadata"]["labels"] for _, pod in pods()]
    selectors = [
        document["spec"].get("selector") or document["spec"]["podSelector"].get("matchLabels", {})
        for path in MANIFESTS
        for document in documents(path)
        if document["kind"] in ("Service", "NetworkPolicy")
    ]
    assert len(selectors) == 7
    for selector in selectors:
        assert any(selector.items() <= label.items() for label in labels), selector


def dask_commands():
    """Return every `dask scheduler` and `dask worker` of compose and Kubernetes, as words."""
    commands = [service.get("entrypoint", []) for service in compose()["services"].values()]
    containers = [one for _, pod in pods() for one in pod["spec"]["containers"]]
    commands += [[*one.get("command", []), *one.get("args", [])] for one in containers]
    return [command for command in commands if command[:1] == ["dask"]]


def test_dask_is_started_as_its_command_line_allows_and_over_tls():
    assert len(dask_commands()) == 4
    for _, role, *options in dask_commands():
        command = importlib.import_module(f"distributed.cli.dask_{role}").main
        values = command.make_context(role, list(options)).params
        address = values.get("scheduler") or values.get("protocol")
        assert address.startswith("tls"), options
        assert values["dashboard"] is False
        assert values["dashboard_address"] == "127.0.0.1:0"  # it would listen everywhere without


def test_the_dask_cluster_fits_the_operators_own_definition():
    import dask_kubernetes

    folder = Path(dask_kubernetes.__file__).parent / "operator/deployment/helm"
    definition = yaml.safe_load(
        (folder / "dask-kubernetes-operator/crds/daskcluster.yaml").read_text()
    )
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    resource = documents(DASK_CLUSTER)[0]
    jsonschema.validate(resource, schema)
    for role in ("scheduler", "worker"):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": role},
            "spec": resource["spec"][role]["spec"],
        }
        kubernetes_validate.validate(pod, "1.33", strict=True)
    del resource["spec"]["worker"]["spec"]["containers"][0]["name"]
    with pytest.raises(jsonschema.ValidationError, match="name"):
        jsonschema.validate(resource, schema)


def test_the_kubernetes_cluster_file_says_what_its_class_takes(monkeypatch):
    import inspect

    from dask_kubernetes.operator import KubeCluster

    file = cluster.read_cluster(DEPLOY / "clusters/kubernetes.yaml")
    assert file["cluster_class"] == "dask_kubernetes.operator.KubeCluster"
    inspect.signature(KubeCluster.__init__).bind(None, **file["cluster_kwargs"])
    inspect.signature(KubeCluster.adapt).bind(None, **file["adapt_kwargs"])
    spec = ROOT / file["cluster_kwargs"]["custom_cluster_spec"]
    assert documents(spec)[0]["kind"] == "DaskCluster"


def test_slurm_is_asked_for_workers_over_tls(tmp_path, monkeypatch):
    from dask_jobqueue import SLURMCluster

    file = cluster.read_cluster(DEPLOY / "clusters/slurm.yaml")
    assert file["cluster_class"] == "dask_jobqueue.SLURMCluster"
    monkeypatch.chdir(tmp_path)
    options = file["cluster_kwargs"]
    # No job is handed in, and the scheduler keeps to this machine.
    options |= {"n_workers": 0}
    options["scheduler_options"] |= {"host": "127.0.0.1"}
    with SLURMCluster(**options) as slurm:
        script = slurm.job_script()
        assert slurm.scheduler_address.startswith("tls://127.0.0.1:")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    directives = dict(re.findall(r"^#SBATCH (-\S+?)[ =](.*)$", script, re.MULTILINE))
    assert directives["-p"] == "normal"
    assert directives["-t"] == "08:00:00"
    assert directives["--cpus-per-task"] == "8"
    assert directives["--mem"] == "32G"
    worker = shlex.split(script.splitlines()[-1])
    assert worker[:3] == [sys.executable, "-m", "distributed.cli.dask_worker"]
    from distributed.cli.dask_worker import main

    values = main.make_context("worker", worker[3:]).params
    assert values["scheduler"].startswith("tls://")
    assert values["dashboard_address"] == "127.0.0.1:0"
    hours, minutes = re.fullmatch(r"(\d+)h(\d+)m", values["lifetime"]).groups()
    assert 60 * int(hours) + int(minutes) < 8 * 60 - 5  # the walltime, less the stagger
    assert (values["nthreads"], values["n_workers"], values["memory_limit"]) == (1, "8", "4.00GiB")
    for name in ("tls_ca_file", "tls_cert", "tls_key"):
        assert Path(values[name]).is_relative_to(tmp_path)


@pytest.mark.parametrize(
    "path", sorted((DEPLOY / "clusters").iterdir()), ids=lambda path: path.name
)
def test_the_cluster_files_are_read(path):
    assert cluster.read_cluster(path)["adapt_kwargs"]["minimum"] >= 1


UNITS = sorted((DEPLOY / "systemd").iterdir())


def test_the_units_are_as_systemd_wants_them(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    for unit in UNITS:
        text = unit.read_text().replace("/opt/scalemark/.venv/bin/scalemark", sys.executable)
        (tmp_path / unit.name).write_text(text)
    verify = ("systemd-analyze", "verify", "--man=no")
    code, said = run(*verify, *sorted(tmp_path.iterdir()))
    ours = [line for line in said.splitlines() if "scalemark" in line]
    assert (code, ours) == (0, []), said
    bad = tmp_path / "scalemark.service"
    bad.write_text(bad.read_text().replace("KillMode", "KillMood"))
    assert "KillMood" in run(*verify, bad)[1]


def test_the_commands_of_the_units_parse():
    starts = [
        shlex.split(line)[1:]
        for unit in UNITS
        for line in re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    ]
    assert len(starts) == 2
    for arguments in starts:
        app.parse_args(arguments, exit_on_error=False, print_error=False)


def test_the_timer_catches_up_once():
    text = (DEPLOY / "systemd/scalemark.timer").read_text()
    assert "Persistent=true" in text
    if shutil.which("systemd-analyze"):
        calendar = re.search(r"OnCalendar=(.*)", text)[1]
        code, said = run("systemd-analyze", "calendar", calendar)
        assert code == 0, said
        assert "02:00:00" in said
