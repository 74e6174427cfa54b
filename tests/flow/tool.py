"""How a declaration is put together, in the format of `policy simulate`."""

from collections.abc import Mapping
from typing import Any

Event = dict[str, Any]


def tool(effects: str, labels: str, arguments: Mapping[str, str] | None = None, **more: Any) -> Event:
    """A tool with these effects and labels, each a list of words."""
    return {
        "event": "tool",
        "effects": effects.split(),
        "arguments": dict(arguments or {}),
        "labels": labels.split(),
        **more,
    }


def records(effects: str, labels: str, record: Event, arguments: Mapping[str, str] | None = None, **more: Any) -> Event:
    """A tool whose results are records, with fields that it vouches for."""
    return tool(effects, labels, arguments, results="records", record=record, **more)
