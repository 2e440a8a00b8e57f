"""Whatever a Compose file holds, `docker stack config` answers soon: a result or a clear error."""

from __future__ import annotations

import io
import json
import time
from copy import deepcopy
from random import Random
from typing import Any

import docker
import pytest
import yaml

from swarmlab.docker_cli.command_line import run
from swarmlab.docker_cli.compose import keys
from swarmlab.docker_cli.session import Session


def config(text: str | bytes) -> tuple[int, str]:
    """The exit code, and what is printed."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    client = docker.APIClient(base_url="http://localhost:1", version="1.50")
    out, err = io.StringIO(), io.StringIO()
    session = Session(client=client, out=out, err=err, read_stdin=lambda: data)
    start_s = time.process_time()
    code = run(["stack", "config", "-c", "-"], session)
    assert time.process_time() - start_s < 2
    return code, out.getvalue() + err.getvalue()


BOMB = "x-a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"x-a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
WHOLE = "services: {a: {image: x}}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB + WHOLE, "yaml: document contains excessive aliasing"),
        ("services: &a {a: *a}", "yaml: anchor 'a' value contains itself"),
        ("services: {a: *nope}", "yaml: unknown anchor 'nope' referenced"),
        ("x-d: " + "[" * 20_000 + "]" * 20_000, "yaml: exceeded max depth of 100"),
        ("x-d: " + "{a: " * 3000 + "1" + "}" * 3000, "yaml: exceeded max depth of 100"),
        (WHOLE + "#" * 200_000, "the file has 200026 bytes; at most 200000 are read here"),
        ("services: {a: {image: x, ports: ['1-65535:1-65535']}}", "may hold at most 5000 ports"),
        ("services: {a: {image: x, ports: ['²:80']}}", "services.a.ports.0 Does not match format"),
        (
            "services: {a: {image: x, '{x}': 1}}",
            "services.a Additional property {x} is not allowed",
        ),
        (
            "services: {a.b: {image: x, '{': 1}}",
            "services.a.b Additional property { is not allowed",
        ),
        ("services: {a: {image: x, '{path}': 1}}", "Additional property {path} is not allowed"),
        ("services: {1: {image: x}, b: {image: x}}", "json: unsupported type: map[interface {}]"),
        ("services: {a: {image: x, ~: 1}}", "json: unsupported type: map[interface {}]interface"),
        (
            "services: {a: {image: x, hostname: {{.Node.Hostname}}}}",
            'yaml: invalid map key: map[string]interface {}{".Node.Hostname":interface {}(nil)}',
        ),
        ("? [1, true, q]\n: 1", 'yaml: invalid map key: []interface {}{1, true, "q"}'),
        ("services:\n  a: {image: x}\n   b: 1", "yaml: line 1: did not find expected key"),
        (b"services: {a: {image: 'caf\xe9'}}", "yaml: invalid trailing UTF-8 octet"),
        (
            "services: {a: {image: x, deploy: {replicas: -1}}}",
            "cannot parse 'Deploy.Replicas', -1 overflows uint",
        ),
        ("services: {a: {image: x, image: y}}", 'line 1: mapping key "image" already defined at'),
        (WHOLE.rstrip() + "\n" + WHOLE, 'mapping key "services" already defined at line 1'),
        ("services: {a: {image: !!int abc}}", "yaml: cannot decode !!str `abc` as a !!int"),
        ("services: {a: {image: !!bool abc}}", "yaml: cannot decode !!str `abc` as a !!bool"),
        ("services: {a: {image: !!timestamp 2001-13-45}}", "yaml: cannot decode !!str"),
        ("services: {a: {image: \x01}}", "yaml: control characters are not allowed"),
        (b"services: {a: {image: \xff}}", "yaml: invalid leading UTF-8 octet"),
        ("version: '3." + "9" * 5000 + "'\n" + WHOLE, "unsupported Compose file version: 3.99"),
        (
            "services: {a: {image: x, deploy: {replicas: " + "9" * 5000 + "}}}",
            "services.a.deploy.replicas must be a integer",
        ),
        (
            "services: {a: {image: x, stop_grace_period: " + "9" * 400 + "h}}",
            "services.a.stop_grace_period Does not match format 'duration'",
        ),
        (
            "services: {a: {image: x, deploy: {resources: {limits: {memory: "
            + "9" * 400
            + "g}}}}}",
            "value out of range",
        ),
    ],
)
def test_files_that_explode_or_do_not_fit_are_refused_as_docker_does(text, words):
    code, said = config(text)
    assert (code, words in said) == (1, True), said[:300]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services:\n  a:\n    image:\tx\t\n    hostname: y\n", "image: x\n"),
        ("services: {a: {image: x, hostname: caf\xe9}}", "hostname: caf\xe9\n"),
        ("services: {a: {image: x, hostname: !reset z}}", "hostname: z\n"),
        ("x-a: &a {image: x}\nx-b: &a {image: z}\nservices: {a: *a}", "image: z\n"),
        ("services: {a: {image: x, stop_grace_period: -1h1m1.5s}}", "-1h1m1.5s\n"),
        ("services: {a: {image: x, deploy: {replicas: 1e3}}}", "replicas: 1000\n"),
        ("services: {a: {image: x, labels: {a: 1234567.5, b: 08}}}", 'a: "1.2345675e+06"\n'),
        ("services: {a: {image: x, ports: ['[::1]::80']}}", "ignoring IP-address ([::1]::80/tcp)"),
        ("services: {a: {image: x, ulimits: {nofile: '${Q:-3}'}}}", "nofile: 3\n"),
        ("services: {a: {image: x, volumes: [/a, /a]}}", "target: /a\n"),
        (
            "services: {a: {image: x, volumes: [{type: bind, source: /a, target: /b, "
            "bind: {create_host_path: true}}]}}",
            "bind: {}\n",
        ),
    ],
)
def test_unusual_files_that_docker_reads_are_read_as_it_does(text, words):
    code, said = config(text)
    assert (code, words in said) == (0, True), said[:300]


def test_only_the_first_document_is_read():
    assert config(WHOLE + "---\nservices: {b: {image: y}}") == config(WHOLE)


def test_anchors_may_be_used_as_often_as_they_are_small():
    code, said = config("x-c: &c {image: x}\nservices: {a: *c, b: {<<: *c, tty: true}}")
    assert (code, said.count("image: x")) == (0, 3)


# -- paths and environment files -------------------------------------------------------------------
def test_an_absolute_path_is_left_as_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, said = config(
        "services: {a: {image: x, volumes: ['/a/../b//:/c', './q/../r:/d']}}\n"
        "secrets: {s: {file: /t/../u/./v}}"
    )
    assert "source: /a/../b//\n" in said
    assert f"source: {tmp_path}/r\n" in said
    assert "file: /t/../u/./v\n" in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"A B=1", "variable 'A B' contains whitespaces"),
        (b"A =1", "variable 'A ' contains whitespaces"),
        (b"=5", "no variable name on line '=5'"),
        (b"ok=1\n\xff=1", "invalid utf8 bytes at line 2: [255 61 49]"),
        (b"\xef\xbb\xbfA=1 ", "A: '1 '"),
        (b"  #A=1\r\n A=2\r\n", 'A: "2"'),
    ],
)
def test_an_environment_file_is_checked_as_docker_checks_it(tmp_path, monkeypatch, line, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e").write_bytes(line)
    code, said = config("services: {a: {image: x, env_file: e}}")
    assert words in said
    assert said.startswith(f"invalid env file ({tmp_path}/e): ") == (code == 1)


# -- random files ----------------------------------------------------------------------------------
LEAVES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    80,
    2**63,
    2**64,
    10**30,
    0.5,
    1e300,
    1e400,
    "",
    "x",
]
LEAVES += ["{x}", "{", "${A:-1}", "${", "$$", "5s", "9" * 400 + "h", "1g", "1e9g", "80:80", "-1:2"]
LEAVES += [
    "/a:/b:ro",
    "a:b:c:d",
    ":",
    "a=b",
    "=",
    "²",
    "\u0663",
    "on-failure:²",
    "y",
    "~/x",
    "\x85",
]
LEAVES += [[], {}, [None], [[1]], {"": 1}, {"a": {}}, ["a", "a"], [{"source": 1}], {"name": [1]}]


def random_value(chance: Random, kind: Any, depth: int) -> Any:
    """A value that a key of this kind may have, or may not."""
    if depth > 6 or chance.random() < 0.25:
        return chance.choice(LEAVES)
    if isinstance(kind, list):
        return [random_value(chance, kind[0], depth + 1) for _ in range(chance.randint(0, 3))]
    table = kind if isinstance(kind, dict) else keys().get(str(kind).removesuffix("!"))
    if not isinstance(table, dict):
        return chance.choice(LEAVES)
    names = chance.sample([str(name).partition(" ")[0] for name in table], min(len(table), 4))
    if depth == 0:
        names.append("services")
    named = {str(name).partition(" ")[0]: inner for name, inner in table.items()}
    block = {("a" if n == "*" else n): random_value(chance, named[n], depth + 1) for n in names}
    if chance.random() < 0.1:
        block[chance.choice(["{x}", "x-y", "", "a.b"])] = chance.choice(LEAVES)
    return block


@pytest.mark.parametrize("number", range(300))
def test_a_random_file_gives_a_result_or_an_error(number):
    text = json.dumps(random_value(Random(number), "file", 0))
    code, said = config(text)
    assert code in (0, 1)
    assert said


def test_a_variable_may_stand_wherever_a_text_may():
    service = "{image: x, dns: '${A:-1}', tmpfs: '${A:-1}', build: '${A:-1}', env_file: []}"
    code, said = config(f"services: {{a: {service}}}")
    assert code == 0, said


@pytest.mark.parametrize("leaf", LEAVES, ids=range(len(LEAVES)))
def test_any_key_of_a_service_may_have_any_value(leaf):
    for key in keys()["service"]:
        name = str(key).partition(" ")[0]
        code, said = config(json.dumps({"services": {"a": {"image": "x", name: leaf}}}))
        assert code in (0, 1)
        assert said


EVERY_KEY = yaml.safe_load("""
services:
  web:
    image: nginx
    command: [a]
    environment: {A: b}
    env_file: [/dev/null]
    ports: [{target: 90, published: 91, protocol: tcp, mode: host}]
    networks: {n: {aliases: [q]}}
    volumes:
      - {type: volume, source: v, target: /v, volume: {nocopy: true}}
      - {type: bind, source: ., target: /b, bind: {propagation: shared}}
      - {type: tmpfs, target: /t, tmpfs: {size: 10}}
    secrets: [{source: s, target: t, mode: 292}]
    configs: [{source: k}]
    healthcheck: {test: [CMD, x], interval: 3s, retries: 2}
    credential_spec: {file: x}
    deploy:
      mode: replicated
      replicas: 2
      update_config: {parallelism: 1, delay: 1s, order: start-first}
      restart_policy: {condition: any, delay: 1s, max_attempts: 3}
      placement: {constraints: [node.role==manager], preferences: [{spread: node.labels.a}]}
      resources:
        limits: {cpus: "0.5", memory: 10M}
        reservations: {generic_resources: [{discrete_resource_spec: {kind: g, value: 1}}]}
    logging: {driver: json-file, options: {a: b}}
    ulimits: {nofile: {soft: 1, hard: 2}}
networks: {n: {driver: overlay, ipam: {config: [{subnet: 10.9.0.0/24}]}}}
volumes: {v: {driver: local, driver_opts: {a: b}}}
secrets: {s: {file: /dev/null}}
configs: {k: {file: /dev/null}}
""")


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys that lead to each value."""
    inner = value.items() if isinstance(value, dict) else []
    inner = enumerate(value) if isinstance(value, list) else inner
    below = [place for key, item in inner for place in places(item, (*above, key))]
    return [above, *below] if above else below


@pytest.mark.parametrize("place", places(EVERY_KEY), ids=lambda place: ".".join(map(str, place)))
def test_any_place_of_a_whole_file_may_have_any_value(place):
    for leaf in [None, "", [], {}, *LEAVES[len(place) % 8 :: 8]]:
        file = deepcopy(EVERY_KEY)
        block = file
        for key in place[:-1]:
            block = block[key]
        block[place[-1]] = leaf
        code, said = config(json.dumps(file))
        assert code in (0, 1)
        assert said
