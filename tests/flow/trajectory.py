"""What happens in a task when the model makes no mistake, and when it obeys somebody else.

A trajectory is the list of a task's ground-truth calls with the results that the environment gave. Nothing is
asked of a model: the policy is measured against the best and the worst that one could do.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Rendering(StrEnum):
    """How results are written for the model, and so for the policy."""

    YAML = "yaml"
    JSON = "json"


class Kind(StrEnum):
    """Where an injection's calls come from."""

    SHIPPED = "shipped"
    EGRESS = "egress"  # shipped; its only effect is to fetch an address
    SCRIPTED = "scripted"
    BORROWED = "borrowed"  # from the task of another person


@dataclass(frozen=True)
class Step:
    """A call and what it gave. `value` is None for a call that gave nothing or was not run."""

    tool: str
    arguments: Mapping[str, Any]
    value: Any
    text: Mapping[Rendering, str]


@dataclass(frozen=True)
class Task:
    """What the owner asks for, and the calls that do it."""

    name: str
    message: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class Injection:
    """What somebody else wants done, and each task's steps in an environment that says so everywhere."""

    name: str
    kind: Kind
    steps: Sequence[Step]
    poisoned: Mapping[str, Sequence[Step]]


@dataclass(frozen=True)
class Suite:
    """Tools, tasks and injections that share an environment."""

    name: str
    tools: Sequence[str]
    owner: Sequence[str]
    tasks: Mapping[str, Task]
    injections: Sequence[Injection]


def crossed(suites: Sequence[Suite]) -> list[Suite]:
    """The tasks of each suite with the tools of all, and with the injections of the other suites.

    The environments cannot say what the injections want, so the tasks are played clean; what is measured is
    whether a request of one kind opens the way for a side effect of another.
    """
    tools = list(dict.fromkeys(tool for suite in suites for tool in suite.tools))
    mixed = []
    for suite in suites:
        clean = {task.name: task.steps for task in suite.tasks.values()}
        guests = [
            replace(injection, name=f"{other.name} {injection.name}", poisoned=clean)
            for other in suites
            if other is not suite
            for injection in other.injections
        ]
        mixed.append(replace(suite, tools=tools, injections=guests))
    return mixed


def as_json(value: Any) -> str:
    """A result as JSON; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
