"""Steps as Prefect task runs: named after what they do, tried again where that helps."""

import inspect
from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging.loggers import task_run_logger

from tasks.errors import RunError

RETRIES = 1
RETRY_DELAY = 5


def worth_retrying(step: Any, run: Any, state: Any) -> bool:  # noqa: ANN401
    """Tell a failure of the moment from a full disk or a wrong path, which stays what it is."""
    error = state.result(raise_on_failure=False)
    again = not isinstance(error, RunError | KeyboardInterrupt)
    if run.run_count <= RETRIES:
        what = f"tried again in {RETRY_DELAY} s" if again else "not tried again, it would not help"
        task_run_logger(run, step).warning("%s: %s: %s", what, type(error).__name__, error)
    return again


def as_task(step: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a step: it runs in this process, so that it fans out over the Dask client."""
    name = step.__name__.replace("_", " ")
    wrapped: Callable[..., Any] = task(
        name=name,
        task_run_name=name,
        description=inspect.getdoc(step),
        retries=RETRIES,
        retry_delay_seconds=RETRY_DELAY,
        retry_condition_fn=worth_retrying,
        # The store and its ledger know what is done; nothing is pickled, nothing is cached.
        cache_policy=NO_CACHE,
        persist_result=False,
    )(step)
    return wrapped
