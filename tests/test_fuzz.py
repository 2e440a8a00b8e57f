"""The API under drawn requests. Longer, by command:

    pytest tests/test_fuzz.py --fuzz-requests 100000 --fuzz-seed 0

goes on with `--fuzz-seed` where it stopped; a failure says how to play it again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz_api import REQUESTS_PER_BATCH, Fuzz, shrunken
from tests.sample import commit_number


def test_every_request_gets_an_answer_that_its_route_declares(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    faults: list[str],
    capsys: pytest.CaptureFixture[str],
):
    asked = request.config.getoption("fuzz_requests")
    first = request.config.getoption("fuzz_seed") if asked else commit_number()
    batches = max(1, (asked or 300) // REQUESTS_PER_BATCH)
    folder = Path(request.config.getoption("failures")) if asked else tmp_path
    for number in range(first, first + batches):
        why, shots = Fuzz(number, faults).play()
        if why:
            folder.mkdir(exist_ok=True)
            saved = folder / f"fuzz-{number}.json"
            faults.clear()
            shrunken(number, shots, saved, faults)
            again = f"pytest {__file__} --fuzz-requests {REQUESTS_PER_BATCH} --fuzz-seed {number}"
            pytest.fail(f"{shots[-1][1]} {why}\nAgain: {again}\nSaved: {saved}", pytrace=False)
        if asked and number % 10 == 9:
            with capsys.disabled():
                done = (number + 1 - first) * REQUESTS_PER_BATCH
                print(f"\n{done} requests; to go on: --fuzz-seed {number + 1}", end="", flush=True)
