"""What each tool does, one declaration a tool, read off its signature and description.

Three sets are made from the same table. The full one says everything that `policy simulate` can be told about a
tool. The minimal one says only effects, roles and labels. The sparse one is a stranger's: four roles, and labels
without any promise about who keeps a list. The policy must hold with each.
"""

from collections.abc import Sequence
from enum import StrEnum

import dojo_tools
import tau_tools
from tool import Event


class Detail(StrEnum):
    """How much the policy is told about a tool."""

    FULL = "full"
    MINIMAL = "minimal"
    SPARSE = "sparse"


_KEPT = ("event", "name", "effects", "arguments", "labels")
_ROLES_KEPT = ("destination", "content", "selector", "amount")
_PROMISES = ("catalogue", "directory", "system", "stranger")  # labels that say who keeps something, or nothing at all


TOOLS: dict[str, Event] = dojo_tools.TOOLS | tau_tools.TOOLS


def declare(tools: Sequence[str], detail: Detail) -> list[Event]:
    """The declarations of these tools. A tool without one is a mistake of the table, and a KeyError."""
    events = [{"name": name, **TOOLS[name]} for name in tools]
    if detail is Detail.FULL:
        return events
    minimal = [{key: event[key] for key in _KEPT} for event in events]
    return minimal if detail is Detail.MINIMAL else [_sparse(event) for event in minimal]


def _sparse(event: Event) -> Event:
    labels = ["private" if label == "secret" else label for label in event["labels"] if label not in _PROMISES]
    source = [] if any(label != "private" for label in labels) else [f"tool:{event['name']}"]
    arguments = {name: role for name, role in event["arguments"].items() if role in _ROLES_KEPT}
    return {**event, "arguments": arguments, "labels": sorted({*labels, *source})}


def only_reads(tool: str, *, external: bool = False) -> bool:
    """Whether the tool changes nothing; with `external`, fetching an address counts as reading."""
    return set(TOOLS[tool]["effects"]) <= ({"read", "read-external"} if external else {"read"})


def arguments_of(tool: str, role: str) -> list[str]:
    """The tool's arguments of one role."""
    return [name for name, word in TOOLS[tool]["arguments"].items() if word == role]
