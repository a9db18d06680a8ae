"""What `scalemark deploy` makes of this machine and of the server's events, without a server."""

import shutil
import uuid
from datetime import UTC, datetime

import pytest
from prefect.events.related import tags_as_related_resources
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent

from flows import timezone
from flows.deploy import zombie_automation
from tasks.errors import UsageError


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of which we say what its files and its environment tell."""
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(timezone, "LOCALTIME", tmp_path / "localtime")
    monkeypatch.setattr(timezone, "NAMED", tmp_path / "timezone")
    zones = tmp_path / "usr/share/zoneinfo"
    (zones / "Europe").mkdir(parents=True)
    (zones / "Europe/Zurich").write_text("rules")
    return tmp_path


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Europe/Zurich", "Europe/Zurich"),
        (":Europe/Zurich", "Europe/Zurich"),
        ("/usr/share/zoneinfo/Europe/Zurich", "Europe/Zurich"),
        ("", "UTC"),
        ("UTC", "UTC"),
    ],
)
def test_tz_names_the_zone(machine, monkeypatch, told, name):
    monkeypatch.setenv("TZ", told)
    assert timezone.timezone() == name


@pytest.mark.parametrize("told", ["CET-1CEST", "Europe/Atlantis", "/etc/passwd"])
def test_a_tz_without_a_name_is_refused_in_words(machine, monkeypatch, told):
    monkeypatch.setenv("TZ", told)
    with pytest.raises(UsageError, match=f"TZ={told} is no time zone that has a name: set it"):
        timezone.timezone()


def test_the_link_names_the_zone(machine):
    (machine / "localtime").symlink_to(machine / "usr/share/zoneinfo/Europe/Zurich")
    (machine / "timezone").write_text("Asia/Tokyo\n")
    assert timezone.timezone() == "Europe/Zurich"


def test_a_copy_is_named_by_the_other_file_or_refused(machine):
    shutil.copy(machine / "usr/share/zoneinfo/Europe/Zurich", machine / "localtime")
    with pytest.raises(UsageError, match="set TZ to its name"):
        timezone.timezone()
    (machine / "timezone").write_text("Asia/Tokyo\n")
    assert timezone.timezone() == "Asia/Tokyo"


def test_a_machine_without_a_zone_is_at_utc(machine):
    assert timezone.timezone() == "UTC"


def heartbeat(*tags):
    return ReceivedEvent(
        id=uuid.uuid4(),
        occurred=datetime.now(UTC),
        event="prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{uuid.uuid4()}"},
        related=[one.root for one in tags_as_related_resources(tags)],
    )


def test_the_silence_of_other_peoples_runs_is_none_of_our_business():
    trigger = EventTrigger.model_validate(zombie_automation().trigger.model_dump())
    assert trigger.covers(heartbeat("nightly", "scalemark"))
    assert trigger.covers(heartbeat("scalemark"))
    assert not trigger.covers(heartbeat())
    assert not trigger.covers(heartbeat("nightly", "scalemarket"))
