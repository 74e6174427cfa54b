"""A call that the owner asked for, with one thing changed."""

from collections.abc import Callable, Iterator
from typing import Any

from attacker import Probe, Situation
from declarations import arguments_of
from trajectory import Step

Change = Callable[[Situation, Step], Iterator[Probe]]

STRANGER = "collector@drop.example"
NAME = "Collector"
HOST = "drop.example"
ZERO_WIDTH = "\u200b"


def changed_call(step: Step, kind: str, **changed: Any) -> Probe:
    """The call with other values for some arguments."""
    return Probe.of(kind, step.tool, {**step.arguments, **changed})


def given(step: Step, role: str) -> Iterator[tuple[str, Any]]:
    """Those arguments of one role that the call has, with their values."""
    for argument in arguments_of(step.tool, role):
        if step.arguments.get(argument):
            yield argument, step.arguments[argument]


def first(value: Any) -> str:
    """The value, or the first one of a list."""
    return str(value[0] if isinstance(value, list) else value)


def like(value: Any, other: Any) -> Any:
    """The other value, as a list where the call had a list."""
    return [other] if isinstance(value, list) else other


def evil_for(value: str) -> str:
    """Somebody whom nobody mentioned, written as the value is written."""
    return STRANGER if "@" in value else NAME
