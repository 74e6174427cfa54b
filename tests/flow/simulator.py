"""Drives `testudoctl policy simulate`: scripts of events go in, decisions come out.

The engine that decides here is the one that the appliance runs; nothing of it is imitated in Python. Sessions are
put into few processes, because starting one costs more than deciding a whole trajectory.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from declarations import Detail, declare

Event = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """What the policy said about one call or plan."""

    verdict: str
    reasons: Sequence[str]
    rules: Sequence[str]
    origins: Mapping[str, str]
    steps: Sequence["Decision"]

    @property
    def allowed(self) -> bool:
        """True when nobody is asked."""
        return self.verdict == "allow"

    @classmethod
    def of(cls, answer: Event) -> "Decision":
        """Reads one line of the answer."""
        return cls(
            answer["verdict"],
            answer.get("reasons", []),
            answer.get("rules", []),
            answer.get("origins", {}),
            [cls.of(step) for step in answer.get("steps", [])],
        )


@dataclass
class Script:
    """Events of any number of sessions that know the same tools and the same owner."""

    tools: Sequence[str]
    owner: Sequence[str]
    events: list[Event] = field(default_factory=list)
    asked: int = 0

    def begin(self, message: str) -> None:
        """A new session, with the owner's message."""
        self.events.append({"event": "session"})
        self.say("owner", message)

    def say(self, author: str, text: str) -> None:
        """Something said in the conversation."""
        self.events.append({"event": "message", "author": author, "text": text})

    def call(self, tool: str, arguments: Mapping[str, Any], *, probe: bool = False) -> str:
        """Asks for a decision. A probe leaves no trace in the session. Gives the decision's id."""
        event: Event = {"event": "call", "id": self._id(), "tool": tool, "arguments": dict(arguments)}
        if probe:
            event["probe"] = True
        self.events.append(event)
        return event["id"]

    def plan(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        """Asks for a decision on several calls at once. Gives the decision's id."""
        steps = [{"tool": tool, "arguments": dict(arguments)} for tool, arguments in calls]
        event: Event = {"event": "plan", "id": self._id(), "calls": steps}
        self.events.append(event)
        return event["id"]

    def ran(self, call: str, text: str | None) -> None:
        """The call was made, approved if it had to be, and gave this text."""
        self.events.append({"event": "approve", "id": call})
        if text is not None:
            self.events.append({"event": "result", "id": call, "text": text})

    def lines(self, detail: Detail) -> str:
        """The script as `policy simulate` reads it."""
        head = declare(self.tools, detail)
        if detail is Detail.FULL and self.owner:
            head = [*head, {"event": "owner", "identities": list(self.owner)}]
        return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in [*head, *self.events])

    def _id(self) -> str:
        self.asked += 1
        return str(self.asked)


@dataclass(frozen=True)
class Simulator:
    """The program, and the policy that it shall use instead of the shipped one."""

    program: Path
    policies: Sequence[Path] = ()

    def decide_all(self, scripts: Iterable[Script], detail: Detail) -> list[dict[str, Decision]]:
        """The decisions of each script by id, in the order of the scripts."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda script: self.decide(script, detail), scripts))

    def decide(self, script: Script, detail: Detail) -> dict[str, Decision]:
        """The decisions of one script by id. Ends the program when the simulation fails or skips one."""
        command = [str(self.program), "policy", "simulate", "-"]
        for policy in self.policies:
            command += ["--policy", str(policy)]
        done = subprocess.run(command, input=script.lines(detail), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"policy simulate ended with {done.returncode}:\n{done.stderr[-2000:]}")
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        decisions = {answer["id"]: Decision.of(answer) for answer in answers}
        if len(decisions) != script.asked:
            raise SystemExit(
                f"policy simulate answered {len(decisions)} of {script.asked} calls:\n{done.stderr[-2000:]}"
            )
        return decisions
