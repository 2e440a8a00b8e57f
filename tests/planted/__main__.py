"""`python -m tests.planted`: plant each fault, run its tests, and list those that none noticed.

    python -m tests.planted -j 2                       all of them; writes tests/results.json
    python -m tests.planted --sample 5 --seed COMMIT   five, chosen by the seed
    python -m tests.planted --only quorum              those whose name contains the word

The exit code is 1 when a fault survived, or its tests could not be run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests import results
from tests.planted import ROOT, Fault, all_faults, sample

LIMIT_S, WHOLE_LIMIT_S = 400, 1800  # for the tests of one fault, and for all of them
LEFT_OUT = (".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "golden-*", "build", "dist")
TESTS_FAILED = 1  # the exit code of pytest; others mean that no test could tell


class Outcome(NamedTuple):
    """What the tests said of one fault: `caught`, `survived`, or why they could not be run."""

    fault: Fault | None
    verdict: str
    detail: str = ""

    def __str__(self) -> str:
        name = self.fault.name if self.fault is not None else "no fault"
        return f"{self.verdict:9} {name}" + (f"  ({self.detail})" if self.detail else "")


def copy_tree(target: Path) -> Path:
    """A copy of the checkout whose compiled files are checked by their source's contents."""
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*LEFT_OUT))
    command = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "swarmlab"]
    subprocess.run([sys.executable, *command], cwd=target, check=True)
    return target


def pytest_in(tree: Path, tests: Iterable[str], limit_s: int = LIMIT_S) -> tuple[int | None, str]:
    """(exit code, output) of the test files, ended at the first failure; None: out of time."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "DOCKER_"))}
    environment |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    # With old packages warnings are no errors: tests/environments.py.
    environment["PYTEST_ADDOPTS"] = os.environ.get("PYTEST_ADDOPTS", "")
    options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=line"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *(f"tests/{name}" for name in tests)],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None, process.communicate()[0]
    return process.returncode, output


def judge(fault: Fault, tree: Path) -> Outcome:
    """Plant the fault in the tree, run its tests, and repair the tree."""
    path = tree / "swarmlab" / fault.file
    original = path.read_text("utf-8")
    try:
        fault.apply(tree)
        code, output = pytest_in(tree, fault.tests)
    except ValueError as error:
        return Outcome(fault, "misplaced", str(error))
    finally:
        path.write_text(original, "utf-8")
    if code is None:
        return Outcome(fault, "too slow", f"no verdict within {LIMIT_S} s")
    if code == 0:
        return Outcome(fault, "survived", ", ".join(fault.tests))
    if code != TESTS_FAILED:
        return Outcome(fault, "not run", output[-500:])
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.M)
    return Outcome(fault, "caught", failed[1].removeprefix("tests/") if failed else "")


@contextmanager
def copies(count: int) -> Iterable[SimpleQueue[Path]]:
    """A queue of `count` copies of the checkout, deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(count):
            trees.put(copy_tree(Path(folder) / str(number)))
        yield trees


def plant(faults: list[Fault], workers: int) -> list[Outcome]:
    """The outcome of each fault; printed as they come."""
    with copies(workers) as trees, ThreadPoolExecutor(workers) as pool:

        def work(numbered: tuple[int, Fault]) -> Outcome:
            number, fault = numbered
            tree = trees.get()
            try:
                outcome = judge(fault, tree)
            finally:
                trees.put(tree)
            print(f"{number:3} of {len(faults)}  {outcome}", flush=True)
            return outcome

        return list(pool.map(work, enumerate(faults, start=1)))


def unplanted(faults: list[Fault]) -> Outcome:
    """The same tests without a fault: they have to pass, or their failures mean nothing."""
    tests = sorted({name for fault in faults for name in fault.tests})
    with copies(1) as trees:
        code, output = pytest_in(trees.get(), tests, WHOLE_LIMIT_S)
    return Outcome(None, "passed" if code == 0 else "failed", "" if code == 0 else output[-2000:])


def commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="so many, chosen by the seed")
    parser.add_argument("--seed", help="any text; the commit when it is missing")
    parser.add_argument("--only", default="", metavar="WORD", help="those with it in their name")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="so many at a time")
    options = parser.parse_args(words)
    faults = [fault for fault in all_faults() if options.only in fault.name]
    if options.sample is not None:
        faults = sample(faults, options.sample, options.seed or commit())
    whole = options.sample is None and not options.only
    if whole and (outcome := unplanted(faults)).verdict != "passed":
        print(outcome)
        return 1
    outcomes = plant(faults, options.j)
    bad = [outcome for outcome in outcomes if outcome.verdict != "caught"]
    print(f"{len(outcomes) - len(bad)} of {len(outcomes)} planted faults were caught")
    print("\n".join(map(str, bad)))
    if whole:
        results.write("planted_faults", planted=len(outcomes), caught=len(outcomes) - len(bad))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
