"""What Docker's own Swarm guides have people type, in their order, ends as they tell.

In own words: the commands of the tutorial and of the guides on services, secrets, configs, locking,
networking, stacks and administration. Left out, since this kit leaves it out or since it is not
`docker`: building, pushing and `docker commit` of images, `docker login`, `docker-machine`,
credential specs of Windows, `openssl`, a browser, `tcpdump`, and the copy of /var/lib/docker/swarm.
"""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest

import swarmlab
from swarmlab.docker_cli import run
from swarmlab.docker_cli.session import Session
from swarmlab.simulation import EPOCH_NS, S

TEXT = (Path(__file__).parent / "guides.txt").read_text("utf-8")
GUIDES = dict(section.split("\n", 1) for section in TEXT.split("\n== ")[1:])


def play(cluster: swarmlab.Cluster, text: str) -> list[str]:
    """The lines of a guide that did not end as they should, with what they printed."""
    kept: dict[str, str] = {}
    stdin, found, wrong = b"", None, []
    for line in text.strip().split("\n"):
        node, _, rest = line.partition(" ")
        for name, value in kept.items():
            rest = rest.replace(f"{{{name}}}", value)
        if node == "keep":
            kept[rest] = found[1] if found else "nothing"
        elif node == "wait":
            cluster.run(rest)
        elif node == "input":
            stdin = f"{rest}\n".encode()
        elif node in ("crash", "start"):
            (cluster.crash if node == "crash" else cluster.start)(rest)
        else:
            command, _, pattern = f"{rest} ".partition(" ~ ")
            pattern = pattern.rstrip(" ")
            fails = pattern[:2] == "1 "
            pattern = pattern[2:] if fails else pattern
            out, given = io.StringIO(), stdin
            session = Session(
                client=cluster.client(node).api,
                out=out,
                err=out,
                read_stdin=lambda data=given: data,
                sleep=lambda seconds: cluster.run(f"{max(1, int(1000 * seconds))}ms"),
                clock=lambda: (EPOCH_NS + cluster.now_ns) / S,
                follow_s=2.0,
            )
            status = run(shlex.split(command), session)
            found, stdin = re.search(pattern, out.getvalue().strip()), b""
            if found is None or (status != 0) != fails:
                wrong.append(f"{line}\n   ended with {status}: {out.getvalue()[:600]}")
    return wrong


ENGINES = {
    "tutorial": ["m1", "w1", "w2"],
    "locking": ["m1"],
    "administration": ["m1", "m2", "m3", "w1"],
}


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_ends_as_it_tells(guide, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    if guide in ENGINES:
        cluster = swarmlab.engines(ENGINES[guide], seed=4)
    else:
        cluster = swarmlab.simulate(managers=1, workers=0, seed=4)
    assert play(cluster, GUIDES[guide]) == []


def test_the_guides_have_their_commands():
    commands = [line for text in GUIDES.values() for line in text.split("\n") if " ~ " in line]
    assert len(GUIDES) == 8
    assert len(commands) > 150
