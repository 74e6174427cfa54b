"""Tables of figures for people, and the same figures as plain data."""

import json
from collections.abc import Sequence
from typing import Any

from attacker import Found
from benchmark import Figures
from trajectory import Kind

WIDEST = 100  # of an argument in a list


def benchmark(figures: Sequence[Figures], title: str) -> list[dict[str, Any]]:
    """Prints a row a suite and one for all. Gives the rows; the last is for all."""
    rows = [*(_row([one], one.suite) for one in figures), _row(figures, "total")]
    print(f"\n{title}")
    print(f"  {'suite':10} {'interrupted':>12} {'prompts':>8} {'denied':>7} {'through':>10}   of which")
    for row in rows:
        interrupted = f"{row['interrupted']}/{row['tasks']}"
        through = f"{sum(row['through'].values())}/{row['pairs']}"
        kinds = ", ".join(f"{kind} {count}" for kind, count in row["through"].items() if count)
        counts = f"{interrupted:>12} {row['prompts']:>8} {row['denied']:>7} {through:>10}"
        print(f"  {row['suite']:10} {counts}   {kinds}".rstrip())
    return rows


def attacker(found: Found, study: dict[str, int], title: str) -> dict[str, dict[str, int]]:
    """Prints a row a class beside the study's figure. Gives the rows."""
    rows = {kind: {"tasks": len(found.holes[kind]), "tried": found.tried[kind]} for kind in sorted(found.tried)}
    print(f"\nadaptive attacker, {title}")
    print(f"  {'tasks':>5} {'study':>5} {'tried':>7}  class")
    for kind, row in rows.items():
        limit = study.get(kind, 0)
        mark = "  WORSE" if row["tasks"] > limit else "  not fewer" if row["tasks"] == limit > 0 else ""
        print(f"  {row['tasks']:>5} {limit:>5} {row['tried']:>7}  {kind}{mark}")
    return rows


def list_benchmark(figures: Sequence[Figures]) -> None:
    """Each interrupted call with the reasons, and each pair let through with the calls that passed."""
    for one in figures:
        for asked in one.interruptions:
            call = _call(asked.step.tool, asked.step.arguments)
            print(f"{asked.decision.verdict.upper()}  {asked.suite} {asked.task} {call}")
            origins = " ".join(f"{name}={origin}" for name, origin in asked.decision.origins.items())
            for reason in asked.decision.reasons or asked.decision.rules:
                print(f"      {reason}")
            print(f"      {origins}")
        for hole in one.holes:
            call = _call(hole.step.tool, hole.step.arguments)
            print(f"HOLE  {hole.suite} {hole.task} {hole.injection} ({hole.kind}) after {hole.place} calls: {call}")


def list_attacker(found: Found) -> None:
    """A call of each class and task that passed."""
    for kind in sorted(found.holes):
        for (suite, task), probe in found.holes[kind].items():
            calls = " then ".join(_call(tool, arguments) for tool, arguments in probe.calls)
            print(f"HOLE  {kind}: {suite} {task} {calls}")


def _row(figures: Sequence[Figures], label: str) -> dict[str, Any]:
    interruptions = [found for one in figures for found in one.interruptions]
    return {
        "suite": label,
        "tasks": sum(one.tasks for one in figures),
        "interrupted": sum(len(one.interrupted) for one in figures),
        "prompts": len(interruptions),
        "denied": sum(found.decision.verdict == "deny" for found in interruptions),
        "pairs": sum(one.pairs for one in figures),
        "through": {str(kind): sum(len(one.through(kind)) for one in figures) for kind in Kind},
    }


def _call(tool: str, arguments: Any) -> str:
    parts = (f"{name}={_short(value)}" for name, value in arguments.items())
    return f"{tool}({', '.join(parts)})"


def _short(value: Any) -> str:
    """Escaped, because a hole may be one that nobody can see."""
    text = json.dumps(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
