"""What a run tells while it goes on: engine and steps report, the caller listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of one stage."""

    stage: str
    done: int
    total: int
    pixels: int = 0
    """Pixels, or samples, behind the items that are done."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A sentence for the log: why a step is run again, what was found."""

    stage: str
    text: str


Event = Progress | Note
Listener = Callable[[Event], None]

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` with every event of this process while the context lasts."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell(event: Event) -> None:
    """Hand an event to whoever listens."""
    for listener in tuple(_listeners):
        listener(event)
