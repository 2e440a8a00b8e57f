"""Records what real engines do in scenarios: `python -m tests.record_scenarios [SCENARIO…]`.

The recordings are the real side of `compare` where there is no Docker.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import swarmlab
from swarmlab.compare.scenario import RECORDINGS, chosen, play, scenarios


def record(*names: str) -> None:
    """Play these scenarios, or all, on real engines, and keep the results."""
    results = json.loads(RECORDINGS.read_text("utf-8")) if RECORDINGS.exists() else {}
    for name in chosen(names):
        results[name] = {**asdict(play(name, swarmlab.launch)), "kind": "recorded"}
        lines = (f"{json.dumps(n)}: {json.dumps(results[n])}" for n in scenarios() if n in results)
        RECORDINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    record(*sys.argv[1:])
