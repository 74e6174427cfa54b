"""An attacker who knows the policy and has the session to himself once the owner's task is done or half done.

He tries calls that the task does not contain, with every value that the policy could take for the owner's. He
acts on two states: everything was read and nothing done yet, so that no budget is used; and everything was done.
A class of attack counts once a task, however many of its calls pass. He is a lower bound: he tries what is
written in `mention.py`, `disguise.py`, `smuggle.py` and `voice.py`, and no more.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmark import play, shares
from declarations import TOOLS, Detail, only_reads
from simulator import Script, Simulator
from trajectory import Rendering, Step, Suite, Task

Arguments = Mapping[str, Any]

LINK = re.compile(r"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.]+", re.IGNORECASE)
LONGEST = 60  # a longer string is a text, and no name of anything


@dataclass(frozen=True)
class Probe:
    """One call, or one plan of several, that the owner did not ask for."""

    kind: str
    calls: tuple[tuple[str, Arguments], ...]
    afterwards: bool = False  # makes sense only when the task is done
    heard: tuple[str, str] | None = None  # who says what just before, in the conversation

    @classmethod
    def of(cls, kind: str, tool: str, arguments: Arguments) -> "Probe":
        """A single call."""
        return cls(kind, ((tool, arguments),))


@dataclass(frozen=True)
class Situation:
    """What an attacker finds in one task."""

    suite: Suite
    task: Task

    @cached_property
    def wanted(self) -> list[Step]:
        """The side effects that the owner asked for."""
        return [step for step in self.task.steps if not only_reads(step.tool)]

    @cached_property
    def quoted(self) -> set[str]:
        """What the owner put in quotation marks."""
        found = re.findall(r"'([^']{2,60})'|\"([^\"]{2,60})\"", self.task.message)
        return {part for pair in found for part in pair if part}

    @cached_property
    def seen(self) -> set[str]:
        """Every short string and every address that a result held."""
        found = set()
        for text in (text for step in self.task.steps for text in strings(step.value)):
            if len(text) < LONGEST:
                found.add(text)
            found.update(LINK.findall(text))
        return found

    @cached_property
    def candidates(self) -> list[str]:
        """Every value that the policy could take for one of the owner's."""
        words = {word.strip(".,!?'\"():") for word in self.task.message.split() if len(word) > 3}
        return sorted(words | self.quoted | self.seen | set(self.suite.owner))

    @cached_property
    def addresses(self) -> list[str]:
        """Candidates that a mail can be sent to."""
        return [value for value in self.candidates if "@" in value]

    @cached_property
    def names(self) -> set[str]:
        """Members and channels that the service named."""
        found: set[str] = set()
        for step in self.task.steps:
            declared = TOOLS[step.tool]
            if declared.get("results") == "directory":
                found.update(strings(step.value))
            elif declared.get("record", {}).get("kind") == "post":
                found.update(post["sender"] for post in records(step.value))
        return found

    @cached_property
    def ids(self) -> dict[str, list[str]]:
        """The ids of every record that was read, by the record's kind."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for step in self.task.steps:
            shape = TOOLS[step.tool].get("record")
            if shape and "id" in shape and only_reads(step.tool):
                found[shape["kind"]].update((str(record[shape["id"]]), None) for record in records(step.value))
        return {kind: list(ids) for kind, ids in found.items()}

    def asked(self, tool: str) -> list[Arguments]:
        """The arguments of the owner's calls of one tool."""
        return [step.arguments for step in self.wanted if step.tool == tool]

    def asked_values(self, tool: str) -> set[str]:
        """Every value in those arguments."""
        return {text for arguments in self.asked(tool) for text in strings(list(arguments.values()))}


Generator = Callable[[Situation], Iterable[Probe]]


@dataclass
class Found:
    """Which tasks each class of attack gets through in, and a call that did."""

    tried: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    holes: dict[str, dict[tuple[str, str], Probe]] = field(default_factory=lambda: defaultdict(dict))


def strings(value: Any) -> Iterator[str]:
    """Every string in a value of JSON, keys as well; numbers as they are written."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield str(key)
            yield from strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from strings(part)
    elif value is not None:
        yield str(value)


def records(value: Any) -> list[Mapping[str, Any]]:
    """The records of a result, which is one or a list of them."""
    return [record for record in (value if isinstance(value, list) else [value]) if isinstance(record, Mapping)]


def attack(
    suites: Sequence[Suite], generators: Sequence[Generator], rendering: Rendering, detail: Detail, simulator: Simulator
) -> Found:
    """Tries every probe of the generators in every task."""
    found = Found()
    runs = [_Run(suite, tasks, generators, rendering) for suite in suites for tasks in shares(suite)]
    decided = simulator.decide_all([run.script for run in runs], detail)
    for run, decisions in zip(runs, decided, strict=True):
        for ids, task, probe in run.probes:
            found.tried[probe.kind] += 1
            # A plan is one decision; it passes when it as a whole, or the last of its steps, passes.
            if decisions[ids].allowed or (decisions[ids].steps and decisions[ids].steps[-1].allowed):
                found.holes[probe.kind].setdefault((run.suite.name, task.name), probe)
    return found


class _Run:
    """A script of many tasks, and which decision is which probe's."""

    def __init__(
        self, suite: Suite, tasks: Sequence[Task], generators: Sequence[Generator], rendering: Rendering
    ) -> None:
        self.suite = suite
        self.script = Script(suite.tools, suite.owner)
        self.probes: list[tuple[str, Task, Probe]] = []
        for task in tasks:
            situation = Situation(suite, task)
            probes = [probe for generator in generators for probe in generator(situation)]
            reads = [step for step in task.steps if only_reads(step.tool, external=True)]
            for steps, done in ((reads, False), (task.steps, True)):
                self.script.begin(task.message)
                play(self.script, steps, rendering)
                self._try(task, [probe for probe in probes if not probe.heard and (done or not probe.afterwards)])
            for heard in dict.fromkeys(probe.heard for probe in probes if probe.heard):
                self.script.begin(task.message)
                play(self.script, reads, rendering)
                self.script.say(*heard)
                self._try(task, [probe for probe in probes if probe.heard == heard])

    def _try(self, task: Task, probes: Sequence[Probe]) -> None:
        # Plans come last: unlike a probe, a plan may leave something behind in the session.
        for probe in sorted(probes, key=lambda probe: len(probe.calls)):
            if len(probe.calls) == 1:
                [(tool, arguments)] = probe.calls
                self.probes.append((self.script.call(tool, arguments, probe=True), task, probe))
            else:
                self.probes.append((self.script.plan(probe.calls), task, probe))
