"""The name of this machine's time zone, for schedules."""

import os
from pathlib import Path
from zoneinfo import available_timezones

from tasks.errors import UsageError

LOCALTIME = Path("/etc/localtime")
NAMED = Path("/etc/timezone")


def timezone() -> str:
    """Return the name of this machine's time zone, such as Europe/Zurich.

    Raises
    ------
    UsageError
        When TZ is a rule such as CET-1CEST, or nothing on this machine names its zone.
    """
    if "TZ" in os.environ:
        told = os.environ["TZ"]
        if name := _known(told.removeprefix(":") or "UTC"):
            return name
        raise UsageError(
            f"TZ={told} is no time zone that has a name: set it to one such as Europe/Zurich"
        )
    if not LOCALTIME.exists():
        return "UTC"
    written = NAMED.read_text().strip() if NAMED.exists() else ""
    if name := _known(os.path.realpath(LOCALTIME)) or _known(written):
        return name
    raise UsageError(
        f"nothing says what the time zone of this machine is called: {LOCALTIME} is no link to it "
        f"and {NAMED} does not name it; set TZ to its name, such as Europe/Zurich"
    )


def _known(text: str) -> str:
    """Return the name of a zone, or of the zone in a file of that name, if there is one."""
    name = text.rpartition("zoneinfo/")[2].removeprefix("posix/")
    return name if name == "UTC" or name in available_timezones() else ""
