"""The docker command line by itself: text, templates, flags, hints, progress, the magic."""

from __future__ import annotations

import io
import json
from typing import Any

import docker
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

import swarmlab
from swarmlab import errors, units
from swarmlab.cluster import current
from swarmlab.docker_cli import run
from swarmlab.docker_cli.command_line import HANDLERS
from swarmlab.docker_cli.flags import commands, find, parse
from swarmlab.docker_cli.hints import hint_for
from swarmlab.docker_cli.session import CliError, Session
from swarmlab.docker_cli.template import TableRow, Template, TemplateError
from swarmlab.jupyter import magic
from swarmlab.jupyter.completion import complete
from tests.scripted_engine import SERVICES, answer


class Scripted(requests.adapters.HTTPAdapter):
    """Answers the SDK from the scripted engine, without a socket; None: no engine is there."""

    def __init__(self, reply: Any = answer) -> None:
        super().__init__()
        self.reply = reply
        self.requests: list[str] = []

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> Any:
        url = requests.utils.urlparse(request.url)
        path = url.path.split("/v1.50")[-1]
        self.requests.append(f"{request.method} {path}")
        if self.reply is None:
            raise requests.exceptions.ConnectionError
        query = dict(part.partition("=")[::2] for part in url.query.split("&"))
        query["filters"] = requests.utils.unquote(query.get("filters", "{}").replace("+", " "))
        response = requests.Response()
        response.status_code, body = self.reply(request.method, path, query)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        response.raw, response.request = io.BytesIO(data), request
        return response


def docker_run(line: str, *, reply: Any = answer, **options: Any) -> tuple[int, str, str]:
    client = docker.APIClient(base_url="http://m1:2375", version="1.50")
    client.mount("http://", Scripted(reply))
    out, err = io.StringIO(), io.StringIO()
    code = run(line.split(), Session(client=client, out=out, err=err, **options))
    client.close()
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("word", ["{x}", "{", "{0}", "%", "%2f", "%(a)s", "a%zz", "\u202e"])
@pytest.mark.parametrize(
    "line",
    ["rm {}", "inspect {}", "service rm {}", "node inspect {}", "secret rm {}", "image rm {}",
     "logs {}", "stop {}", "volume rm {}", "network inspect {}", "service ps {}", "kill {}"],
)  # fmt: skip
def test_whatever_a_reference_is_the_engine_is_asked_for_just_that(line, word):
    asked: list[str] = []

    def absent(method: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        asked.append(requests.utils.unquote(path))
        return 404, {"message": "nothing there"}

    code, _out, err = docker_run(line.replace("{}", word), reply=absent)
    assert code != 0
    assert err
    assert all(f"/{word}" in path for path in asked if word[0] in path)
    assert any(path.count(f"/{word}") for path in asked) or "list" in line or "ps" in line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Less than a second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (3599, "59 minutes"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (86400 * 2, "2 days"),
        (86400 * 13, "13 days"),
        (86400 * 14, "2 weeks"),
        (86400 * 61, "2 months"),
        (86400 * 731, "2 years"),
    ],
)
def test_ages_are_formatted_as_go_units_does(seconds, text):
    """Source: docker/go-units duration.go, HumanDuration."""
    assert units.human_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "binary", "decimal"),
    [(0, "0B", "0B"), (1023, "1023B", "1.02kB"), (8272683008, "7.705GiB", "8.27GB")],
)
def test_sizes_have_four_binary_or_three_decimal_digits(size, binary, decimal):
    assert (units.binary_size(size), units.decimal_size(size)) == (binary, decimal)


@given(st.integers(0, 10**17))
def test_a_printed_duration_reads_back_as_itself(microseconds):
    ns = microseconds // 1000 * 1000
    assert abs(units.parse_duration(units.go_duration(ns)) - ns) <= ns // 10**9


@pytest.mark.parametrize("text", ["", "5", "x", "5y", "1h5", "1-s", "1..5s"])
def test_an_invalid_duration_is_a_value_error_in_gos_words(text):
    with pytest.raises(ValueError, match=r"^time: "):
        units.parse_duration(text)


def test_names_sort_in_natural_order():
    names = ["web10", "web2", "web", "web.1", "web2a", "Web"]
    assert sorted(names, key=units.natural_key) == ["Web", "web", "web2", "web2a", "web10", "web.1"]


DATA = {"A": {"B": 3}, "Tags": ["x", "y"], "Labels": {"b": "2", "a": "1"}, "On": True, "No": None}


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("{{.A.B}} {{.On}} {{.No}} {{.Gone}}", "3 true <nil> <no value>"),
        ("{{json .}}", json.dumps(DATA, separators=(",", ":"))),
        ('{{join .Tags ", "}}{{println .A.B}}', "x, y3\n"),
        ('{{"aB" | upper}}{{lower "AB"}}{{title "ab cd"}}', "ABabAb Cd"),
        ("{{.Tags}} {{.Labels}}", "[x y] map[a:1 b:2]"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "a=1 b=2 "),
        ("{{range $i, $t := .Tags}}{{$i}}{{$t}}{{end}}", "0x1y"),
        ("{{range .Gone}}x{{else}}none{{end}}", "none"),
        ("{{if .Gone}}a{{else if .On}}b{{else}}c{{end}}", "b"),
        ("{{with .A}}{{.B}}{{$.On}}{{end}}", "3true"),
        ("a {{- 1 -}} b{{/* no */}}", "a1b"),
        ('{{printf "%03d|%s|%v|%q" .A.B "x" .On "y"}}', '003|x|true|"y"'),
        ("{{if and .On (not .No)}}yes{{end}}", "yes"),
        ("{{len .Tags}}{{eq .A.B 3}}", "2true"),
    ],
)
def test_templates_render_as_in_go(source, rendered):
    assert Template(source).render(DATA) == rendered


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{{.A", "unclosed action"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if .A}}x", "unexpected EOF"),
        ("{{}}", "missing value for command"),
        ("{{.A | nope}}", 'function "nope" not defined'),
        ('{{template "x"}}', "template"),
        ("{{define}}", "define"),
        ("{{(.A}}", "unclosed left paren"),
        ("{{.A ? 1}}", "unexpected"),
    ],
)
def test_a_template_error_names_the_fault(source, fault):
    with pytest.raises(TemplateError) as raised:
        Template(source)
    assert fault in str(raised.value)


def test_an_unknown_column_is_an_error_that_names_the_row_type():
    row = TableRow(ID="1")
    row.go_type = "*node.nodeContext"
    with pytest.raises(TemplateError, match=r"can't evaluate field X in type \*node.nodeContext"):
        Template("{{.X}}").render(row)


def test_commands_flags_and_aliases_come_from_the_help_text():
    assert {"env", "mode", "replicas"} <= set(commands()["service create"].flags)
    assert commands()["service create"].flags["publish"].shorthand == "p"
    assert commands()["service list"] is commands()["service ls"]
    assert commands()["container ls"] is commands()["ps"]
    assert [c.limits() for c in map(commands().get, ["node ps", "config create"])] == [
        (0, float("inf")),
        (2, 2),
    ]


@pytest.mark.parametrize(
    ("line", "flags", "words"),
    [
        ("service ls -qf name=a", {"quiet": True, "filter": [("name", "a")]}, []),
        ("service ls --quiet=false", {"quiet": False}, []),
        ("swarm update --autolock=0", {"autolock": False}, []),
        ("service update x --force", {"force": True}, ["x"]),
        ("service create -d nginx --force", {"detach": True}, ["nginx", "--force"]),
        ("exec -it c sh -c ls", {"interactive": True, "tty": True}, ["c", "sh", "-c", "ls"]),
        ("node rm -- -f", {}, ["-f"]),
        ("service logs -n5 x", {"tail": "5"}, ["x"]),
    ],
)
def test_flags_are_parsed_as_pflag_does(line, flags, words):
    arguments = parse(*find(line.split()))
    assert (dict(arguments.given), arguments.words) == (flags, words)


def test_an_invalid_flag_exits_with_125_and_a_wrong_number_of_arguments_with_1():
    assert docker_run("service ls --x")[0] == 125
    assert docker_run("service ls x")[0] == 1
    with pytest.raises(CliError) as raised:
        parse(*find(["node", "ls", "-f"]))
    assert raised.value.code == 125


def test_progress_updates_a_bar_and_prints_the_last_lines():
    """The scripted service already runs; its monitor period ends at once."""
    updates: list[tuple[int, int, str]] = []
    code, out, _ = docker_run("service update web", progress=lambda *update: updates.append(update))
    assert (code, updates[-1]) == (0, (2, 2, "2 out of 2 tasks"))
    assert out.splitlines()[0] == "web"
    assert out.splitlines()[1].rstrip() == "overall progress: 2 out of 2 tasks"
    assert out.splitlines()[-1].rstrip() == "verify: Service web converged"


def test_convergence_waits_on_the_given_clock():
    """The five seconds of the default monitor take no wall time."""
    now, slept = [0.0], []

    def slowly(method: str, path: str, query: Any) -> Any:
        now[0] += 0.2
        status, body = answer(method, path, query)
        if path == "/services/web":
            body = json.loads(json.dumps(body))
            del body["Spec"]["UpdateConfig"]
        return status, body

    code, out, _ = docker_run(
        "service update web", reply=slowly, clock=lambda: now[0], sleep=slept.append
    )
    assert code == 0
    assert "Waiting 5 seconds" in out
    assert "Waiting 1 seconds" in out
    assert set(slept) == {0.2}


def test_an_interrupt_leaves_the_operation_running_in_the_background():
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    def starting(method: str, path: str, query: Any) -> Any:
        status, body = answer(method, path, query)
        return status, [] if path == "/tasks" else body

    code, out, _ = docker_run("service update web", reply=starting, sleep=interrupt)
    assert code == 0
    assert out.splitlines()[-2:] == [
        "Operation continuing in background.",
        "Use `docker service ps web` to check progress.",
    ]


def test_an_unreachable_engine_is_an_error_of_one_line():
    code, out, err = docker_run("service ls", reply=None)
    fault = "Cannot connect to the Docker daemon at tcp://m1:2375. Is the docker daemon running?\n"
    assert (code, out, err) == (1, "", fault)


def test_a_docker_command_that_the_kit_lacks_is_an_error_that_says_so():
    code, _, err = docker_run("build .")
    assert (code, err) == (
        1,
        "docker build is not part of this kit: use the docker command itself\n",
    )


def test_every_command_of_the_help_has_a_handler():
    for command in commands().values():
        assert command.is_group or callable(HANDLERS[command.path])


def test_an_update_keeps_fields_that_the_client_does_not_know():
    requests_sent: list[Any] = []
    service = json.loads(json.dumps(SERVICES[0]))
    service["Spec"]["TaskTemplate"]["Strange"] = {"kept": [1]}

    def strange(method: str, path: str, query: Any) -> Any:
        requests_sent.append((method, path))
        return answer(method, path, query) if method == "POST" else (200, service)

    assert docker_run("service update -d --force web", reply=strange)[0] == 0
    assert requests_sent[-1] == ("POST", f"/services/{service['ID']}/update")


HINTS = {
    "service create --placement-pref spread=node.label.az demo": ("", "node.labels.az"),
    "service create --secret-add=s demo": ("unknown flag: --secret-add", "takes --secret"),
    "service create --config-add=c demo": ("unknown flag: --config-add", "takes --config"),
    "service update --secret s demo": ("unknown flag: --secret", "--secret-add and --secret-rm"),
    "service update --rollback --rollback-parallelism 2 demo": (
        "other flags may not be combined with --rollback",
        "docker service rollback",
    ),
    "node update --label-add az=x demo": ("node demo not found", "has to be a node"),
    "swarm update --autolock true": ("accepts no arguments", "--autolock=true"),
    "secret create big x": ("must be larger than 0 and less than 512000 bytes", "512000"),
    "-H w1 service ls": (errors.WORKER, "-H NODE"),
    "service ls": (errors.NOT_IN_SWARM, ""),
    "exec c cat /run/secret/senha-db": ("", "/run/secrets/senha-db"),
    "exec c cat /run/secrets/senha-db": ("", ""),
    "service create --constraint node.role==worker demo": ("", ""),
    "service update --constraint-rm az==a demo": ("", "is az==a one?"),
    "service update --constraint-rm=node.labels.az==a demo": ("", ""),
}


@pytest.mark.parametrize("line", HINTS)
def test_mistakes_on_the_talks_slides_get_a_hint(line):
    fault, part = HINTS[line]
    hint = hint_for(line.split(), fault, bytes)
    assert part in hint
    assert bool(hint) == bool(part)


def test_a_hint_points_out_the_newline_of_echo():
    words = ["secret", "create", "senha-db", "-"]
    assert "6 bytes" in hint_for(words, "", lambda: b"senha\n")
    assert hint_for(words, "", lambda: b"senha") == ""


class OneNode:
    """A cluster of one scripted node, for the magic."""

    names, virtual_time = ("m1", "m2"), False

    def __init__(self) -> None:
        self.typed: list[tuple[int, str]] = []

    def clock_ns(self) -> int:
        return 0

    def default_node(self) -> str:
        return "m1"

    def is_up(self, name: str) -> bool:
        return name == "m2"

    def client(self, name: str) -> Any:
        client = docker.DockerClient(base_url=f"http://{name}:2375", version="1.50")
        client.api.mount("http://", Scripted(None if name == "m1" and self.down else answer))
        return client

    down = False


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(current, "_current", OneNode())
    monkeypatch.setattr(magic, "_default_node", "")
    monkeypatch.setattr(OneNode, "down", False)


def shell(line: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return magic.run_commands(line, out, err), out.getvalue(), err.getvalue()


def test_a_cell_may_have_comments_continuations_pipes_and_substitutions(cluster):
    code, out, _err = shell(
        """# first the service
docker service create -d \\
    nginx:1.25   # a comment
docker node ls -q
echo "senha" | docker secret create senha-db -
service rm $(docker service ls -q --filter name=web)
"""
    )
    lines = out.splitlines()
    assert (code, lines[0], lines[-1]) == (0, "w" * 25, "w" * 12)
    assert "newline" in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ls | docker secret create x -", "only echo, printf and cat"),
        ("-H m9 node ls", "there is no node 'm9'; there are m1, m2"),
        ('service ls "', "No closing quotation"),
        ("cat /nowhere | docker secret create x -", "No such file"),
    ],
)
def test_a_line_that_the_magic_cannot_parse_is_an_error_of_one_line(cluster, line, message):
    code, out, err = shell(line)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err


def test_the_error_of_a_node_that_is_down_names_those_that_are_up(cluster, monkeypatch):
    monkeypatch.setattr(OneNode, "down", True)
    code, out, err = shell("node ls")
    assert code == 1
    assert err.startswith("Cannot connect to the Docker daemon at tcp://m1:2375.")
    assert out == "hint: that node is down; up are m2: `%docker -H m2 …`\n"
    assert shell("-H m2")[0] == 0  # the default node from now on
    assert shell("node ls -q")[0] == 0


def test_without_a_cluster_the_error_says_how_to_make_one(monkeypatch):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(current, "_current", None)
    code, _, err = shell("node ls")
    assert (code, err) == (1, magic.NO_CLUSTER + "\n")


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        ("serv", ["service"]),
        ("docker service up", ["update"]),
        ("service update --rollback-p", ["--rollback-parallelism"]),
        ("node inspect w", ["w1", "w2"]),
        ("secret rm ", ["driven", "senha-db"]),
        ("-H ", ["m1", "m2"]),
        ("-H m2 node p", ["promote", "ps"]),
    ],
)
def test_commands_flags_and_object_names_are_completed(cluster, typed, completions):
    assert complete(typed) == completions


def test_the_tasks_of_a_slot_are_listed_newest_first():
    """Older ones follow, indented. Source: docker cli command/task/print.go."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=7)
    client: Any = cluster.client("m1")
    client.services.create("nginx", name="web", constraints=["node.hostname==w1"])
    cluster.run("5s")
    cluster.crash("w1")
    cluster.start("w1")
    cluster.run("30s")
    out = io.StringIO()
    words = ["service", "ps", "--format", "table {{.Name}} {{.CurrentState}}", "web"]
    assert run(words, Session(client=client.api, out=out, err=out)) == 0
    _, newest, older = out.getvalue().splitlines()
    assert newest.startswith("web.1 Running")
    assert older.startswith(r" \_ web.1 Failed")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_file_whose_name_no_system_takes_is_refused_in_gos_words(name: str):
    code, _out, error = docker_run(f"secret create s {name}")
    assert (code, error) == (1, f"error reading from {name}: open {name}: invalid argument\n")
