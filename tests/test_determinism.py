"""Equal seeds give equal traces, in any process and with any hash seed of Python."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import swarmlab
from docker.types import ServiceMode

cluster = swarmlab.simulate(managers=3, workers=2, seed=int(sys.argv[1]))
client = cluster.client("m1")
web = client.services.create("nginx", name="web", mode=ServiceMode("replicated", 6))
cluster.run("10s")
client.secrets.create(name="password", data=b"not in any trace")
cluster.crash("m1")
cluster.run("30s")
client = cluster.client("m2")
client.services.get(web.id).scale(9)
cluster.crash("w1")
cluster.run("60s")
cluster.start("m1")
cluster.partition(["m1"], ["m2", "m3", "w1", "w2"])
cluster.run("30s")
cluster.heal()
cluster.run("30s")
assert len(cluster.trace) > 100, len(cluster.trace)
print(cluster.trace.digest())
"""


def digest(seed: int, hash_seed: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(seed)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


@pytest.fixture(scope="module")
def digest_of_seed_7() -> str:
    return digest(7, hash_seed="1")


def test_the_same_seed_gives_the_same_trace_in_another_process(digest_of_seed_7):
    assert len(digest_of_seed_7) == 64
    assert digest(7, hash_seed="2") == digest_of_seed_7


def test_another_seed_gives_another_trace(digest_of_seed_7):
    assert digest(8, hash_seed="1") != digest_of_seed_7
