"""What the long test commands found, in `results.json`; README's account of it is made from this.

A command writes its own results. `python -m tests.results` notes the sizes of the suites that every
check plays whole, in which one difference is a failure, and writes that part of README.md again.
`test_results.py` compares the two, and counts again what can be counted at once.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

from tests.planted import ROOT, all_faults
from tests.scripted_engine import EQUAL, EXCEPTIONS, SCRIPTED
from tests.test_sdk import EXPECTED

FILE, README = ROOT / "tests" / "results.json", ROOT / "README.md"
ORACLE = ROOT / "tests" / "oracle"
BEGIN, END = "<!-- results: written by python -m tests.results -->\n", "<!-- end of results -->\n"

Results = dict[str, dict[str, Any]]


def read() -> Results:
    """Each command's last results, with the date on which it ran."""
    return json.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}


def write(command: str, **found: Any) -> None:
    """Replace the results of one command."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    results = {**read(), command: {**found, "date": today}}
    FILE.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", "utf-8")


# -- what can be counted at once -----------------------------------------------------------------
def recordings() -> dict[tuple[int, ...], dict[tuple[str, str], Any]]:
    """Engine version, the newest first -> (scenario, key) -> what was recorded there."""
    found: dict[tuple[int, ...], dict[tuple[str, str], Any]] = {}
    for path in sorted(ORACLE.rglob("golden-*/*.json")):
        version = tuple(map(int, path.parent.name.removeprefix("golden-").split(".")))
        facts = json.loads(path.read_text("utf-8")).items()
        found.setdefault(version, {}).update({(path.stem, key): value for key, value in facts})
    return dict(sorted(found.items(), reverse=True))


def agree(key: str, one: Any, other: Any) -> bool:
    """Whether two recordings say the same; a duration, `~key`, within a factor of two."""
    return bool(one / 2 <= other <= one * 2 if key.startswith("~") else one == other)


def recorded_facts() -> dict[str, Any]:
    """How many facts of each engine hold: those that say what the newest engine's say.

    The newest decides where engines differ; such facts of older ones are listed.
    """
    decided: dict[tuple[str, str], Any] = {}
    matched, differing = {}, []
    for version, facts in recordings().items():
        name = ".".join(map(str, version))
        others = [
            place
            for place, value in facts.items()
            if place in decided and not agree(place[1], decided[place], value)
        ]
        differing += [f"{name} {scenario}: {key}" for scenario, key in others]
        matched[name] = len(facts) - len(others)
        decided = {**facts, **decided}
    scenarios = len({scenario for scenario, _ in decided})
    return {"matched": matched, "known_differences": differing, "scenarios": scenarios}


# Their sizes are all there is to note.
PLAYED_WHOLE = ("recorded_facts", "command_line", "docker_sdk")


def counted() -> Results:
    """What is true of this checkout, as `results.json` has it."""
    return {
        "recorded_facts": recorded_facts(),
        "planted_faults": {"planted": len(all_faults())},
        "command_line": {
            "lines_on_two_swarms": len(EQUAL),
            "lines_on_a_scripted_engine": len(SCRIPTED),
            "known_differences": sorted(EXCEPTIONS),
        },
        "docker_sdk": {"tests": sum(sum(counts.values()) for counts in EXPECTED.values())},
    }


# -- the README ----------------------------------------------------------------------------------
def rows(results: Results) -> Iterator[tuple[str, str, str]]:
    """(what was tested, what was found, the date), for every command that has run."""
    for command, describe in DESCRIPTIONS.items():
        if command in results:
            found = results[command]
            yield (*describe(found), found["date"])


def named(differences: list[str]) -> str:
    """`known differences: ` and their names, or `none`."""
    return "known differences: " + (", ".join(f"`{name}`" for name in differences) or "none")


def _facts(found: dict[str, Any]) -> tuple[str, str]:
    engines = ", ".join(f"{count} of engine {name}" for name, count in found["matched"].items())
    return (
        f"{found['scenarios']} scenarios, played with the stock `docker` command line and compared"
        " with recordings of real engines (`tests/oracle/`)",
        f"the recorded facts hold, {engines}; {named(found['known_differences'])}",
    )


def _command_line(found: dict[str, Any]) -> tuple[str, str]:
    return (
        f"our command line beside the stock one: {found['lines_on_two_swarms']} lines on two equal"
        f" swarms, {found['lines_on_a_scripted_engine']} on a scripted engine"
        " (`tests/test_docker_cli_stock.py`)",
        f"equal output; {named(found['known_differences'])}",
    )


def _random_runs(found: dict[str, Any]) -> tuple[str, str]:
    return (
        "random commands and faults on six nodes, each transaction judged by rules written apart"
        " from the product (`pytest tests/test_random_runs.py --random-runs N`)",
        f"{found['runs']:,} runs broke no rule",
    )


def _planted(found: dict[str, Any]) -> tuple[str, str]:
    return (
        "faults planted in the product, one at a time (`python -m tests.planted`)",
        f"the tests noticed {found['caught']} of {found['planted']}",
    )


def _requests(found: dict[str, Any]) -> tuple[str, str]:
    return (
        "random requests to the Engine API, well formed and not",
        f"{found['requests']:,} requests: each had a status that its route declares",
    )


def _hours(found: dict[str, Any]) -> tuple[str, str]:
    return (
        "a served swarm with crashes and updates",
        f"{found['hours']} virtual hours without a leak",
    )


def _sdk(found: dict[str, Any]) -> tuple[str, str]:
    return (
        "the docker SDK's own integration tests (`tests/test_sdk.py`)",
        f"{found['tests']} tests, with the outcome of a real engine",
    )


def _peers(found: dict[str, Any]) -> tuple[str, str]:
    suites = [f"{name} {passed} of {of}" for name, (passed, of) in sorted(found["suites"].items())]
    return (
        "the tests of other projects' clients on a served engine, of those that pass on a real one"
        " with aliases of busybox as its images (`python -m tests.peers NAME`)",
        f"passed: {', '.join(suites)}",
    )


DESCRIPTIONS = {
    "recorded_facts": _facts,
    "command_line": _command_line,
    "docker_sdk": _sdk,
    "peers": _peers,
    "random_runs": _random_runs,
    "planted_faults": _planted,
    "api_requests": _requests,
    "service_hours": _hours,
}


def section(results: Results) -> str:
    """The part of README.md that is made from the results."""
    lines = ["| What | Found | Date |", "| --- | --- | --- |"]
    lines += [f"| {what} | {found} | {date} |" for what, found, date in rows(results)]
    return BEGIN + "\n" + "\n".join(lines) + "\n\n" + END


def in_readme() -> str:
    """That part as README.md has it now."""
    text = README.read_text("utf-8")
    return text[text.index(BEGIN) : text.index(END) + len(END)]


def refresh() -> None:
    """Note what has changed of the suites that are played whole; write README.md's part."""
    noted = read()
    for command in PLAYED_WHOLE:
        now = counted()[command]
        if {**now, "date": ""} != {**noted.get(command, {}), "date": ""}:
            write(command, **now)
    README.write_text(README.read_text("utf-8").replace(in_readme(), section(read())), "utf-8")


if __name__ == "__main__":
    refresh()
