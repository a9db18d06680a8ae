"""The command line: `scalemark run`, and what else `scalemark --help` lists."""

import os
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from flows import learning

# Nothing heavy is imported here, so that --help answers at once; each command imports its own.

OFFLINE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
# What goes wrong is told once, by `main`.
QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # A killed run is found by its silence, as those of the deployments are.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}
EXIT_CODES = """Exit codes:
  0  everything is ok or flagged
  1  an unexpected failure
  2  the request is wrong: a path, an option, a parameter
  3  finished, and some items are quarantined: the report says why
  4  the Dask cluster was lost: the same command goes on
  5  the output cannot be written: full, read-only or failing
  6  another run uses the output folder
130  stopped by Ctrl-C: the same command goes on"""

app = App(
    name="scalemark",
    help="Characterise a folder of images and signals: what is in it, and what is wrong with it.",
    help_epilogue=EXIT_CODES,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    version=lambda: __import__("importlib.metadata").metadata.version("scalemark"),
)

Source = Annotated[Path, Parameter(help="Folder of images and signals, or one file; only read.")]
Out = Annotated[Path, Parameter(help="Output folder; a run that is there already is continued.")]
Only = Annotated[
    Literal["all", "images", "signals"] | None, Parameter(help="Process one kind only.")
]
MaxPixels = Annotated[
    int | None, Parameter(help="Largest image that is decoded whole, in pixels. [180000000]")
]
ParamsFile = Annotated[Path | None, Parameter(help="YAML; `scalemark params` prints one to edit.")]


@app.command
def run(
    source: Source,
    *,
    out: Out,
    params: ParamsFile = None,
    only: Only = None,
    mscn_maps: Annotated[
        bool | None, Parameter(help="Store every image's MSCN map as well. [no]")
    ] = None,
    max_pixels: MaxPixels = None,
    workers: Annotated[
        int | None, Parameter(help="Worker processes on this machine. [one a core]")
    ] = None,
    scheduler: Annotated[
        str | None, Parameter(help="Address of a running Dask scheduler, such as tls://host:8786.")
    ] = None,
    cluster: Annotated[
        Path | None, Parameter(help="YAML with cluster_class, cluster_kwargs and adapt_kwargs.")
    ] = None,
    retry_failed: Annotated[
        bool, Parameter(negative="", help="Try the quarantined items again.")
    ] = False,
    direct: Annotated[bool, Parameter(negative="", help="Run without Prefect.")] = False,
) -> int:
    """Characterise SOURCE into OUT; the same command again does only what is new or changed."""
    from tasks.lock import require_free
    from tasks.output import Output

    require_free(Output(out.absolute()).lock)  # before the seconds that the imports below take
    from flows.terminal import Terminal, show_summary

    knobs = _params(params, only, mscn_maps, max_pixels, retry_failed=retry_failed)
    where: dict[str, Any] = {"workers": workers, "scheduler": scheduler}
    console = _console()
    with Terminal(console) as terminal:
        if direct:
            from flows.run import characterise_on_cluster

            summary = characterise_on_cluster(
                source, out, knobs, listener=terminal, cluster_file=cluster, **where
            )
        else:
            summary = _run_flow(source, out, knobs, terminal, {**where, "cluster": cluster})
    show_summary(console, summary)
    return 3 if summary.counts["quarantined"] else 0


def _run_flow(source: Path, out: Path, params: Any, terminal: Any, where: dict[str, Any]) -> Any:  # noqa: ANN401
    """Run the Prefect flow in this process, against the configured API or a temporary one."""
    _set(OFFLINE | QUIET)
    from tasks import progress, session
    from tasks.errors import RunError
    from tasks.output import Output
    from tasks.summary import summarise

    session.require_startable(source, out)
    from httpx import TransportError
    from prefect import tags

    from flows import server
    from flows.characterise import characterise
    from flows.fields import TAG

    cluster, before = where.pop("cluster"), session.finished_runs(out)
    with server.api() as address, progress.listening(terminal), tags(TAG):
        try:
            characterise(
                str(source.absolute()),
                str(out.absolute()),
                params,
                cluster=str(cluster.absolute()) if cluster else None,
                **where,
            )
        except TransportError as error:
            server.lost.set()
            gone = f"the Prefect API at {address} went away in mid-run"
            if session.finished_runs(out) == before:
                raise RunError(f"{gone}: the same command goes on from here") from error
            _complain(f"{gone}: its page is not complete, the results are")
    return summarise(Output(out.absolute()))


def _params(
    path: Path | None,
    only: Literal["all", "images", "signals"] | None,
    mscn_maps: bool | None,
    max_pixels: int | None,
    *,
    retry_failed: bool,
) -> Any:  # noqa: ANN401
    """Return the file's parameters with the command line's on top."""
    from dataclasses import replace

    from flows.parameters import read_params
    from tasks.errors import UsageError

    params = read_params(path)
    if only is not None:
        params = replace(params, only=only)
    if mscn_maps is not None:
        params = replace(params, quality=replace(params.quality, mscn_maps=mscn_maps))
    if max_pixels is not None:
        try:
            limits = replace(params.limits, max_pixels=max_pixels)
        except ValueError as error:
            raise UsageError(str(error)) from error
        params = replace(params, limits=limits)
    return replace(params, retry_failed=params.retry_failed or retry_failed)


@app.command
def plan(source: Source, *, params: ParamsFile = None, max_pixels: MaxPixels = None) -> int:
    """Say what `run` would do with SOURCE: formats, megapixels, what is left out, how long."""
    from flows.plan import show_plan

    return show_plan(
        _console(), source, _params(params, None, None, max_pixels, retry_failed=False)
    )


@app.command
def report(out: Out) -> int:
    """Write the tables and the report of OUT again, from its store and ledger alone."""
    from flows.terminal import show_summary
    from tasks import pipeline
    from tasks.output import Output
    from tasks.summary import summarise

    pipeline.rewrite(out)
    show_summary(_console(), summarise(Output(out.absolute())))
    return 0


@app.command
def status(out: Out) -> int:
    """Say how far the run in OUT is, also while it goes on."""
    from flows.status import show_status

    return show_status(_console(), out)


@app.command
def params() -> int:
    """Print every parameter with its default, as YAML to edit."""
    from flows.parameters import default_yaml

    sys.stdout.write(default_yaml())
    return 0


ServedSource = Annotated[Path, Parameter(help="What the deployments read unless told.")]
ServedOut = Annotated[Path, Parameter(help="Where they write unless told.")]
ServedParams = Annotated[
    Path | None, Parameter(help="YAML; what they run with unless told. [what they have]")
]
ARCHIVE, REPORT = Path("examples/archive"), Path("archive-report")


@app.command
def serve(
    source: ServedSource = ARCHIVE,
    *,
    out: ServedOut = REPORT,
    params: ServedParams = None,
    home: Annotated[
        Path | None, Parameter(help="Where the server keeps its database. [~/.scalemark]")
    ] = None,
    port: Annotated[
        int, Parameter(help="The server's port on this machine; reports are on the next one.")
    ] = 4200,
    look: Annotated[
        float, Parameter(help="Seconds between two looks for files that arrive; 0 for none.")
    ] = 30.0,
) -> int:
    """Start a Prefect server on this machine, a worker, and the deployments; Ctrl-C stops all."""
    from flows.serve import serve_until_stopped

    return serve_until_stopped(
        _console(),
        source,
        out,
        params,
        home=home or Path.home() / ".scalemark",
        port=port,
        look=look,
        settings=OFFLINE,
    )


@app.command
def deploy(
    source: ServedSource = ARCHIVE, *, out: ServedOut = REPORT, params: ServedParams = None
) -> int:
    """Register the deployments and what they need at the API that PREFECT_API_URL names."""
    _set(OFFLINE)
    from flows.deploy import configured_api, deploy
    from flows.parameters import read_params
    from flows.server import POOL

    for line in deploy(source, out, read_params(params) if params else None):
        _complain(line)
    _console().print(f"registered at {configured_api()}", soft_wrap=True)
    _console().print(f"next, on each machine that is to work: prefect worker start --pool {POOL}")
    return 0


@app.command
def watch(
    *,
    every: Annotated[float, Parameter(help="Seconds between two looks.")] = 30.0,
) -> int:
    """Start the deployment characterise/watch whenever files have arrived in its source."""
    _set(OFFLINE)
    import logging

    from flows.deploy import configured_api
    from flows.watch import watch_until_stopped

    configured_api()

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("scalemark").setLevel(logging.INFO)
    watch_until_stopped(every)
    return 0


@app.command
def certificates(
    folder: Annotated[Path, Parameter(help="Where to write them; keep it to yourself.")],
    *,
    host: Annotated[
        tuple[str, ...], Parameter(help="Names and addresses of the machines; may be repeated.")
    ] = (),
    days: Annotated[int, Parameter(help="How long they are valid.")] = 365,
    seen_at: Annotated[
        Path | None, Parameter(help="Where the machines will find the folder. [FOLDER itself]")
    ] = None,
) -> int:
    """Make the certificates of a Dask cluster; every machine of it needs the folder."""
    from flows.certificates import make_certificates

    config = make_certificates(folder, host, days, seen_at)
    _console().print(f"export DASK_CONFIG={shlex.quote(str(config))}", soft_wrap=True, markup=False)
    return 0


for command in (learning.label, learning.train, learning.apply, learning.derive):
    app.command(command)


def _set(settings: Mapping[str, str]) -> None:
    """Set what is not set, before Prefect is imported."""
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def _console() -> Any:  # noqa: ANN401
    from rich.console import Console

    return Console(highlight=False)


def main() -> None:
    """Run the command line; every foreseen failure is one message and an exit code."""
    _keep_proxies_away()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(result_action="return_value")
    except KeyboardInterrupt:
        # Impatience must not cut short the ending of what is being ended.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _complain("stopped; the same command goes on from here")
        code = 130
    except Exception as error:
        code = _explain(error)
    sys.stdout.flush()
    sys.stderr.flush()
    server = sys.modules.get("flows.server")
    if server and server.lost.is_set():
        os._exit(code)  # past Prefect's last attempts to reach it
    sys.exit(code)


def _keep_proxies_away() -> None:
    """Reach servers on this machine without a proxy, for which "this machine" is another."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if known != "*":
        known = ",".join(filter(None, (known, "127.0.0.1", "localhost")))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = known


def _explain(error: Exception) -> int:
    from tasks.errors import RunError

    if isinstance(error, RunError):
        _complain(str(error))
        return error.exit_code
    raise error


def _complain(message: str) -> None:
    sys.stderr.write(f"scalemark: {message}\n")


if __name__ == "__main__":
    main()
