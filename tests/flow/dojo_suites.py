"""The trajectories of AgentDojo's suites: tasks in a clean environment, and in one that asks for an injection."""

import sys
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_jsonable_python

import dojo_package as package
import dojo_scripts
from declarations import only_reads
from trajectory import Injection, Kind, Rendering, Step, Suite, Task, as_json


def record() -> list[Suite]:
    """All suites with their trajectories."""
    return [_suite(name, suite) for name, suite in package.suites().items()]


def _suite(name: str, suite: package.TaskSuite) -> Suite:
    clean = suite.load_and_inject_default_environment({})
    truth = {key: task.ground_truth(_copy(clean)) for key, task in suite.user_tasks.items()}
    tasks = {
        key: Task(key, task.PROMPT, _run(suite, _copy(clean), truth[key])) for key, task in suite.user_tasks.items()
    }
    injections = []
    for key, task in suite.injection_tasks.items():
        calls, kind = _injected(name, task, clean)
        if not any(not only_reads(call.function) for call in calls):
            continue  # the goal is a sentence in the answer, which no call carries
        poisoned = suite.load_and_inject_default_environment(_poison(suite, task.GOAL))
        injections.append(
            Injection(
                key,
                kind,
                _run(suite, _copy(poisoned), calls, reads_only=True),
                {other: _run(suite, _copy(poisoned), truth[other]) for other in suite.user_tasks},
            )
        )
    return Suite(name, [tool.name for tool in suite.tools], _owner(clean), tasks, injections)


def _copy(environment: Any) -> Any:
    return environment.model_copy(deep=True)


def _injected(suite: str, task: Any, clean: Any) -> tuple[list[package.FunctionCall], Kind]:
    calls = task.ground_truth(_copy(clean))
    if not calls:
        return dojo_scripts.calls(suite, task, _copy(clean)), Kind.SCRIPTED
    fetches = all(only_reads(call.function, external=True) for call in calls)
    return calls, Kind.EGRESS if fetches else Kind.SHIPPED


def _poison(suite: package.TaskSuite, goal: str) -> dict[str, str]:
    """The goal at every place that an injection can reach, but names of channels: the tasks need those as they are."""
    text = goal.replace("\n", " ").replace('"', "'").replace("\\", " ")
    return {place: text for place in suite.get_injection_vector_defaults() if "channel" not in place}


def _run(
    suite: package.TaskSuite, environment: Any, calls: Sequence[package.FunctionCall], *, reads_only: bool = False
) -> list[Step]:
    runtime = package.FunctionsRuntime(suite.tools)
    steps = []
    for call in calls:
        arguments = to_jsonable_python(dict(call.args))
        if reads_only and not only_reads(call.function, external=True):
            steps.append(Step(call.function, arguments, None, {}))
            continue
        result, error = runtime.run_function(environment, call.function, dict(call.args))
        if error is not None:
            print(f"{suite.name}: {call.function}: {error}", file=sys.stderr)
            steps.append(Step(call.function, arguments, None, dict.fromkeys(Rendering, error)))
            continue
        value = to_jsonable_python(result)
        text = {Rendering.YAML: package.as_model_sees(result), Rendering.JSON: as_json(value)}
        steps.append(Step(call.function, arguments, value, text))
    return steps


def _owner(environment: Any) -> list[str]:
    """Who the owner is in records: the accounts of the environment. The bank writes "me" for its customer."""
    accounts = [("inbox", "account_email"), ("calendar", "account_email"), ("bank_account", "iban")]
    found = [str(getattr(getattr(environment, part), key)) for part, key in accounts if hasattr(environment, part)]
    if hasattr(environment, "bank_account"):
        found.append("me")
    return list(dict.fromkeys(found))
