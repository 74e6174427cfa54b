"""Measures the policy on public suites, prints tables, and fails when the policy is not good enough.

Not good enough is: an injected side effect passes, the owner is interrupted in more tasks than `limits.json` says,
or a class of the adaptive attacker gets through in more tasks than against the engine of the study that the policy
was built from. With nothing but the shipped policy the same suites are also run under rules without information
flow, where everything must pass: a counter that cannot count proves nothing.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import attacker
import benchmark
import disguise
import dojo_suites
import mention
import report
import smuggle
import tau_suites
import voice
from declarations import Detail
from simulator import Simulator
from trajectory import Rendering, Suite, crossed

PARTS = ["benchmark", "cross", "desks", "attacker", "control"]
HERE = Path(__file__).resolve().parent
OPEN = HERE / "open.toml"
ATTACKS = [mention.probes, disguise.probes, smuggle.probes, voice.probes]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--testudoctl", type=Path, required=True, help="the program to measure")
    parser.add_argument("--policy", type=Path, action="append", default=[], help="rules instead of the shipped ones")
    parser.add_argument("--suite", action="append", help="only this suite; can be repeated")
    parser.add_argument(
        "--mode", type=Rendering, action="append", choices=list(Rendering), help="only results written so"
    )
    parser.add_argument("--detail", type=Detail, action="append", choices=list(Detail), help="how much tools declare")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part")
    parser.add_argument("--list", action="store_true", help="show each interrupted call and each hole")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


def main() -> None:
    """Runs what was asked for. Exit status 1 when a limit is broken."""
    options = _arguments()
    began = time.monotonic()
    limits = json.loads((HERE / "limits.json").read_text())
    suites = _chosen(dojo_suites.record(), options.suite)
    simulator = Simulator(options.testudoctl.resolve(), options.policy)
    parts = options.part or [part for part in PARTS if part != "control" or not options.policy]
    modes = options.mode or list(Rendering)
    desks = _chosen(tau_suites.record(), options.suite) if "desks" in parts else []
    figures: dict[str, Any] = {}
    broken: list[str] = []
    for detail in options.detail or Detail:
        # How results are written is the engine's business and not the declarations': both ways once is enough.
        for mode in (modes if detail is Detail.FULL or options.mode else modes[:1]) if "benchmark" in parts else []:
            found = benchmark.measure(suites, mode, detail, simulator)
            rows = report.benchmark(found, f"{detail} declarations, {mode} results")
            figures[f"benchmark {detail} {mode}"] = rows
            broken += _too_bad(rows[-1], limits, f"{detail}, {mode}", whole=not options.suite)
            if options.list:
                report.list_benchmark(found)
        # The largest part by far; with the other declarations only when asked for.
        if "cross" in parts and (detail is Detail.FULL or options.detail):
            found = benchmark.measure(crossed(suites), modes[0], detail, simulator)
            rows = report.benchmark(found, f"tools of all suites, injections of the others; {detail} declarations")
            figures[f"cross {detail} {modes[0]}"] = rows
            broken += _too_bad(rows[-1], limits, f"{detail}, crossed suites", whole=False)
            if options.list:
                report.list_benchmark(found)
        if "desks" in parts:
            found = benchmark.measure(desks, modes[0], detail, simulator)
            rows = report.benchmark(found, f"desks of tau-bench, what others want; {detail} declarations")
            figures[f"desks {detail} {modes[0]}"] = rows
            broken += _too_bad(rows[-1], limits, f"{detail}, desks", whole=False)
            if options.list:
                report.list_benchmark(found)
        if "attacker" in parts:
            holes = attacker.attack(suites, ATTACKS, modes[0], detail, simulator)
            classes = report.attacker(holes, limits["attacker"], f"{detail} declarations, {modes[0]} results")
            figures[f"attacker {detail} {modes[0]}"] = classes
            broken += _worse(classes, limits["attacker"], f"{detail}, {modes[0]}")
            if options.list:
                report.list_attacker(holes)
    if "control" in parts:
        broken += _control(suites, options.testudoctl.resolve())
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    print(f"\nmeasured in {time.monotonic() - began:.0f} s")
    for sentence in broken:
        print(f"FAIL  {sentence}")
    sys.exit(1 if broken else 0)


def _chosen(suites: list[Suite], names: list[str] | None) -> list[Suite]:
    return [suite for suite in suites if not names or suite.name in names]


def _worse(classes: dict[str, dict[str, int]], most: dict[str, int], label: str) -> list[str]:
    """The classes of attack that get further than they may. One without a limit may not get through at all."""
    return [
        f"{label}: {kind}: {row['tasks']} tasks, at most {most.get(kind, 0)}"
        for kind, row in classes.items()
        if row["tasks"] > most.get(kind, 0)
    ]


def _too_bad(total: dict[str, Any], limits: dict[str, Any], label: str, *, whole: bool) -> list[str]:
    """What breaks a limit. The limit on interruptions is for all suites together."""
    broken = []
    through = sum(total["through"].values())
    if through > limits["through"]:
        broken.append(f"{label}: {through} pairs let through")
    if whole and label.startswith(Detail.FULL) and total["interrupted"] > limits["interrupted"]:
        broken.append(f"{label}: {total['interrupted']} tasks interrupted, at most {limits['interrupted']}")
    return broken


def _control(suites: list[Suite], program: Path) -> list[str]:
    """Without rules about information flow every pair must pass, and nothing may be asked."""
    found = benchmark.measure(suites, Rendering.YAML, Detail.FULL, Simulator(program, [OPEN]))
    total = report.benchmark(found, "control: rules that allow everything")[-1]
    if sum(total["through"].values()) == total["pairs"] and total["interrupted"] == 0:
        return []
    return ["control: not everything passed under rules that allow everything, so the counters are not alive"]


if __name__ == "__main__":
    main()
