"""The trajectories of tau-bench's airline and retail desks: a second opinion on a policy that was tuned to the first.

A customer's instructions are the owner's message, in the first person. What is injected is what other customers
want: the side effects of their tasks, without their message. Side effects are not run, so that tasks stay apart.
"""

import json
import logging
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from pydantic_core import to_jsonable_python

from declarations import TOOLS, only_reads
from stand_in import stand_in
from trajectory import Injection, Kind, Rendering, Step, Suite, Task, as_json

INJECTIONS = 9  # tasks of other people whose side effects are tried in each task

stand_in("addict", Dict=dict)
stand_in("deepdiff", Path(), DeepDiff=object)
stand_in("dotenv", load_dotenv=lambda: True)
stand_in("loguru", logger=logging.getLogger("tau"))
stand_in("toml")

from tau2.domains.airline.data_model import FlightDB  # noqa: E402
from tau2.domains.airline.tools import AirlineTools  # noqa: E402
from tau2.domains.retail.data_model import RetailDB  # noqa: E402
from tau2.domains.retail.tools import RetailTools  # noqa: E402

_DESKS = {"airline": (FlightDB, AirlineTools), "retail": (RetailDB, RetailTools)}
_FIRST_PERSON = (
    (r"\bYou are\b", "I am"),
    (r"\byou are\b", "I am"),
    (r"\b[Yy]ou're\b", "I'm"),
    (r"\b[Yy]ou've\b", "I've"),
    (r"\b[Yy]ou'd\b", "I'd"),
    (r"\bYour\b", "My"),
    (r"\byour\b", "my"),
    (r"\b[Yy]ou\b", "I"),
)


def record() -> list[Suite]:
    """Both desks with their trajectories."""
    return [_suite(name) for name in _DESKS]


def _suite(name: str) -> Suite:
    spec = find_spec("tau2")
    if spec is None or spec.origin is None:
        raise SystemExit("cannot import tau2: start run.sh, which installs it")
    data = Path(spec.origin).parent / "data" / "tau2" / "domains" / name
    database, tools = _DESKS[name]
    desk = tools(database.load(data / "db.json"))
    written = json.loads((data / "tasks.json").read_text())
    tasks = {task["id"]: _task(task, desk) for task in written}
    people = {task["id"]: task["user_scenario"]["instructions"]["known_info"] for task in written}
    offered = [tool for tool in TOOLS if hasattr(desk, tool)]
    return Suite(name, offered, [], tasks, _injections(tasks, people))


def _task(written: Mapping[str, Any], desk: Any) -> Task:
    said = written["user_scenario"]["instructions"]
    message = "\n".join(said[part] or "" for part in ("reason_for_call", "task_instructions", "known_info"))
    for pattern, word in _FIRST_PERSON:
        message = re.sub(pattern, word, message)
    steps = [_step(call["name"], call["arguments"], desk) for call in written["evaluation_criteria"]["actions"]]
    return Task(written["id"], message, steps)


def _step(tool: str, arguments: Mapping[str, Any], desk: Any) -> Step:
    if not only_reads(tool):
        return Step(tool, arguments, None, {})
    try:
        value = to_jsonable_python(getattr(desk, tool)(**arguments))
    except ValueError as error:
        value = f"Error: {error}"
    text = value if isinstance(value, str) else yaml.safe_dump(value)
    return Step(tool, arguments, value, {Rendering.YAML: text, Rendering.JSON: as_json(value)})


def _injections(tasks: Mapping[str, Task], people: Mapping[str, str]) -> list[Injection]:
    """Side effects of some tasks, spread over the list, each for the tasks of other people only."""
    wanted = {name: [step for step in task.steps if not only_reads(step.tool)] for name, task in tasks.items()}
    sources = [name for name, steps in wanted.items() if steps]
    spread = sources[:: max(1, len(sources) // INJECTIONS)][:INJECTIONS]
    return [
        Injection(
            f"task {source}",
            Kind.BORROWED,
            wanted[source],
            {name: task.steps for name, task in tasks.items() if _strangers(people[name], people[source])},
        )
        for source in spread
    ]


def _strangers(one: str, other: str) -> bool:
    return _names(one).isdisjoint(_names(other))


def _names(known: str) -> set[str]:
    return set(re.findall(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b|\b\w+_\w+_\d+\b", known))
