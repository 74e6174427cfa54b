"""AgentDojo's suites, imported without the clients of language models that its package pulls in.

Only tasks, tools and environments are used here. The package's pipeline and its logger import seven client
libraries at module level, so they are replaced by bare modules that keep the few names which the tools need;
nothing of what is replaced is ever called.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

from stand_in import stand_in

BENCHMARK = "v1.2.2"


def _without_clients() -> None:
    found = importlib.util.find_spec("agentdojo")
    if found is None or found.origin is None:
        raise SystemExit("cannot import agentdojo: start run.sh, which installs it")
    pipeline = Path(found.origin).parent / "agent_pipeline"
    stand_in("agentdojo.agent_pipeline", pipeline)
    stand_in("agentdojo.agent_pipeline.llms", pipeline / "llms")
    stand_in("agentdojo.agent_pipeline.llms.google_llm", EMPTY_FUNCTION_NAME="<empty-function>")
    stand_in("agentdojo.logging", Logger=object)
    stand_in("deepdiff", Path())
    stand_in("deepdiff.diff", DeepDiff=object)


_without_clients()

import yaml  # noqa: E402
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str  # noqa: E402
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime  # noqa: E402
from agentdojo.strenum import StrEnum  # noqa: E402
from agentdojo.task_suite.load_suites import get_suites  # noqa: E402
from agentdojo.task_suite.task_suite import TaskSuite  # noqa: E402

# The text is the same as with the package's own dumper, which is in Python and ten times slower.
yaml.CSafeDumper.add_multi_representer(StrEnum, lambda dumper, member: dumper.represent_str(member.value))
_dump = functools.partial(yaml.dump, Dumper=yaml.CSafeDumper)


def suites() -> dict[str, TaskSuite]:
    """The four suites, by name."""
    return get_suites(BENCHMARK)


def as_model_sees(result: Any) -> str:
    """A tool's result as AgentDojo writes it for a model."""
    return tool_result_to_str(result, _dump)


__all__ = ["FunctionCall", "FunctionsRuntime", "TaskSuite", "as_model_sees", "suites"]
