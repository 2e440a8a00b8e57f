"""A class on one machine: three attendees enter and work; every way around the rules is shut."""

from __future__ import annotations

import html
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import requests
import yaml
from traitlets.config import PyFileConfigLoader

from swarmlab.cli.classroom import write_secrets
from swarmlab.cli.command_line import main
from tests.attendees import FIRST_CELL, NAVIGATES, PORTS, ROOT, Attendee, Class, install_proxy
from tests.ports import free_port

TEMPLATES = ROOT / "swarmlab" / "classroom"
NAMES = ("ana", "bruno", "joão")
WAIT_S = 60


@pytest.fixture(scope="module", autouse=True)
def proxy() -> None:
    try:
        install_proxy()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the hub's proxy is not installed, and npm does not get it: {error}")


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Iterator[Class]:
    """A class for three attendees."""
    room = Class(tmp_path_factory.mktemp("class") / "room", len(NAMES) + 1)
    yield room
    room.end()


@pytest.fixture(scope="module")
def people(room) -> dict[str, Attendee]:
    """Three attendees with a server each; only Ana lets the instructor see where she is."""

    def enter(name: str) -> Attendee:
        attendee = Attendee(room.address, name)
        assert attendee.log_in(room.code()).ok
        attendee.start_server(agreed=name == "ana")
        return attendee

    with ThreadPoolExecutor(len(NAMES)) as pool:
        return dict(zip(NAMES, pool.map(enter, NAMES), strict=True))


@pytest.fixture(scope="module")
def kernels(people) -> dict[str, str]:
    """Each has run the first cell of page 00."""
    kernels = {name: attendee.open_page() for name, attendee in people.items()}
    for name, kernel in kernels.items():
        people[name].run(kernel, FIRST_CELL)
    return kernels


@pytest.fixture(scope="module")
def instructor(room) -> Attendee:
    instructor = Attendee(room.address, "instructor")
    assert instructor.log_in(room.code("instructor")).ok
    return instructor


def error_on(page: requests.Response) -> str:
    """Why the login form was refused."""
    [error] = re.findall(r'class="login_error">(.*?)</p>', page.text)
    return str(error)


def seen(instructor: Attendee) -> str:
    """The instructor's page."""
    page = instructor.http.get(instructor.url("services/class/"), headers=NAVIGATES)
    assert page.ok, page.text
    return page.text


def until(ready: Any) -> Any:
    """Its first answer that is not empty."""
    end = time.monotonic() + WAIT_S
    while not (answer := ready()) and time.monotonic() < end:
        time.sleep(0.5)
    assert answer
    return answer


def text_of(shown: list[dict[str, Any]]) -> str:
    return "".join(c.get("text", "") or c.get("data", {}).get("text/plain", "") for c in shown)


# -- who may enter -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "password", "code", "sentence"),
    [
        ("eve", "a password", "", "This is not the class code."),
        ("eve", "a password", "guessed1", "This is not the class code."),
        ("eve", "a password", "café", "This is not the class code."),
        ("instructor", "a password", "{code}", "This is not the class code."),
        ("Instructor", "a password", "{code}", "This is not the class code."),
        ("ana", "another password", "{code}", "ana has another password."),
        ("ANA", "another password", "{code}", "ana has another password."),
        ("../eve", "a password", "{code}", "A name has letters"),
        ("e v e", "a password", "{code}", "A name has letters"),
        ("e" * 33, "a password", "{code}", "A name has letters"),
        ("eve", "short", "{code}", "Choose a password of 7"),
        ("eve", "ß" * 40, "{code}", "Choose a password of 7"),
    ],
)
def test_who_is_refused_reads_why(room, people, name, password, code, sentence):
    page = Attendee(room.address, name, password).log_in(code.replace("{code}", room.code()))
    assert page.status_code == 403
    assert error_on(page).startswith(sentence)


def test_nobody_who_was_refused_has_an_account(room, people, instructor):
    users = instructor.http.get(instructor.url("hub/api/users"), headers=xsrf(instructor)).json()
    assert {user["name"] for user in users} == {*NAMES, "instructor"}
    assert [user["name"] for user in users if user["admin"]] == ["instructor"]


def test_an_expired_form_says_so(room):
    page = Attendee(room.address, "eve").http.post(
        f"{room.address}/hub/login",
        data={"username": "eve", "password": "a password", "otp": room.code(), "_xsrf": "old"},
        headers=NAVIGATES,
    )
    assert (page.status_code, error_on(page)) == (403, "Login form invalid or expired. Try again.")


def test_the_code_and_the_tokens_are_in_no_log(room, people, instructor):
    said = room.said.split("Ctrl+C", 1)[1]
    secrets = [file.read_text("utf-8") for file in (room.folder / "secrets").iterdir()]
    assert len(secrets) == 4
    assert [secret for secret in secrets if secret in said] == []


# -- what attendees do ---------------------------------------------------------------------------
def test_each_has_a_cluster_and_a_folder_of_their_own(room, people, kernels):
    for name, attendee in people.items():
        assert "m1 leads" in text_of(attendee.run(kernels[name], FIRST_CELL))
        assert attendee.api("GET", "contents/05_quorum.ipynb", params={"content": 0}).ok
        home = room.folder / "attendees" / name
        assert (home / "notebooks" / "00_start_here.ipynb").is_file()
        assert home.stat().st_mode & 0o077 == 0
        written = attendee.run(kernels[name], "import os; print(os.environ['HOME'], os.getcwd())")
        assert text_of(written).split() == [str(home), str(home / "notebooks")]


def test_the_instructor_sees_where_those_are_who_agreed(people, kernels, instructor):
    for name in NAMES:
        people[name].run(kernels[name], "1 + 1")
    row = until(
        lambda: re.search(r"<tr><td[^>]*>ana</td><td[^>]*>(00[^<]*)</td>", seen(instructor))
    )
    assert row[1] == "00 Start here"
    assert re.search(r"<td[^>]*>bruno</td><td[^>]*></td><td[^>]*></td>", seen(instructor))
    task = 'from swarmlab.lessons.exercise_widget import exercise\ntask = exercise("lost_quorum",'
    people["ana"].run(kernels["ana"], task + " make=swarmlab.simulate); task.start()")
    until(lambda: re.search(r"ana</td><td[^>]*>00[^<]*</td><td[^>]*>[^<]+<", seen(instructor)))
    assert "GiB" in seen(instructor)


def test_a_scene_is_offered_on_every_board_and_forced_on_none(people, kernels, instructor):
    form = {"_xsrf": re.findall(r'name="_xsrf" value="(.*?)"', seen(instructor))[0]}
    page = instructor.url("services/class/")
    instructor.http.post(page, data={**form, "scene": "05.cut"}, headers=NAVIGATES)
    assert "<strong>05.cut</strong>" in seen(instructor)
    show = "print(cluster.board().offer, len(cluster.names))"
    for name in NAMES:
        run = lambda name=name: text_of(people[name].run(kernels[name], show))  # noqa: E731
        assert until(lambda run=run: "05.cut" in (text := run()) and text).endswith(" 5\n")
    people["ana"].run(
        kernels["ana"], "board = cluster.board(); board.act('scene', {'name': '05.cut'})"
    )
    assert text_of(people["ana"].run(kernels["ana"], show)) == "[] 7\n"
    instructor.http.post(page, data={**form, "scene": ""}, headers=NAVIGATES)
    until(lambda: text_of(people["bruno"].run(kernels["bruno"], show)) == "[] 5\n")


def test_no_more_enter_than_there_is_room_for(room, people, instructor):
    instructor.start_server()
    late = Attendee(room.address, "late")
    assert late.log_in(room.code()).ok
    answer = late.http.post(late.url("hub/spawn"), data={"_xsrf": late.xsrf("hub/spawn")})
    assert answer.status_code == 429


# -- attacks -------------------------------------------------------------------------------------
def xsrf(attendee: Attendee) -> dict[str, str]:
    return {"X-XSRFToken": attendee.xsrf("hub/")}


@pytest.fixture(scope="module")
def token(people, kernels) -> str:
    """What Ana finds in her kernel's environment."""
    code = "import os; print(os.environ['JUPYTERHUB_API_TOKEN'])"
    return text_of(people["ana"].run(kernels["ana"], code)).strip()


@pytest.mark.parametrize("path", ["contents", "kernels", "sessions", "terminals"])
def test_anothers_server_is_shut_for_a_cookie_and_a_token(room, people, token, path):
    assert people["ana"].api("GET", path).ok
    assert people["ana"].api("GET", path, name="bruno").status_code == 403
    headers = {"Authorization": f"token {token}"}
    with_token = requests.get(f"{room.address}/user/bruno/api/{path}", headers=headers)
    assert with_token.status_code == 403
    # A cookie of Ana's for her server, sent to Bruno's under its name there.
    [cookie] = [c for c in people["ana"].http.cookies if c.name == "jupyterhub-user-ana"]
    stolen = requests.get(
        f"{room.address}/user/bruno/api/{path}", cookies={"jupyterhub-user-bruno": cookie.value}
    )
    assert stolen.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "users"),
        ("GET", "users/bruno"),
        ("POST", "users/bruno/server"),
        ("DELETE", "users/bruno/server"),
        ("POST", "users/bruno/tokens"),
        ("DELETE", "users/bruno"),
        ("POST", "users/eve"),
        ("PATCH", "users/ana"),
        ("GET", "services"),
        ("GET", "proxy"),
        ("PATCH", "proxy"),
        ("GET", "info"),
        ("POST", "shutdown"),
        ("GET", "groups"),
    ],
)
def test_the_hubs_api_is_shut_for_an_attendees_token(room, token, method, path):
    url, headers = f"{room.address}/hub/api/{path}", {"Authorization": f"token {token}"}
    answer = requests.request(method, url, headers=headers, json={"admin": True})
    assert answer.status_code in (403, 404)


def test_the_instructors_page_is_shut_for_attendees(room, people, token):
    page = people["ana"].url("services/class/")
    assert people["ana"].http.get(page, headers=NAVIGATES).status_code == 403
    headers = {"Authorization": f"token {token}"}
    assert requests.get(page, headers=headers).status_code == 403
    assert requests.post(page, headers=headers, data={"scene": "05.cut"}).status_code == 403
    assert requests.post(f"{page}attendee").status_code == 403
    assert requests.get(page, allow_redirects=False).status_code == 302
    assert people["ana"].http.get(people["ana"].url("hub/admin")).status_code == 403


def test_what_an_attendee_makes_up_is_shown_to_nobody(room, token, instructor):
    url, headers = f"{room.address}/services/class/attendee", {"Authorization": f"token {token}"}
    for page in ("<b>99_made_up</b>", "../../x"):
        assert requests.post(url, headers=headers, data={"page": page, "exercise": "<i>"}).ok
        assert page not in html.unescape(seen(instructor))

    def told() -> re.Match[str] | None:
        answer = requests.post(url, headers=headers, data={"page": "05_quorum", "exercise": "<i>"})
        page = seen(instructor)
        assert answer.ok
        assert "<i>" not in html.unescape(page)
        return re.search(r">ana</td><td[^>]*>05 ", page)

    until(told)  # Ana's own kernel may still tell of its last cell, once


def test_another_site_cannot_offer_a_scene(instructor):
    page = instructor.url("services/class/")
    before = re.findall("<strong>.*</strong>", seen(instructor))
    assert instructor.http.post(page, data={"scene": "05.fresh"}).status_code == 403
    assert re.findall("<strong>.*</strong>", seen(instructor)) == before


def test_the_proxys_routes_are_shut(room):
    assert requests.get(f"http://127.0.0.1:{room.port + 1}/api/routes").status_code == 403


def test_it_listens_on_loopback_alone(room):
    listening = set[str]()
    for process in room.processes():
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            listening |= {c.laddr.ip for c in process.net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_an_attendees_container_has_neither_the_socket_nor_a_secret(monkeypatch, tmp_path):
    write_secrets(tmp_path / "secrets")
    values = {"SECRETS": str(tmp_path / "secrets"), "USERS": "3", "IMAGE": "swarmlab-class:1"}
    monkeypatch.setattr("os.environ", {f"CLASS_{key}": value for key, value in values.items()})
    settings = PyFileConfigLoader("jupyterhub_config.py", str(TEMPLATES)).load_config()
    spawner = SimpleNamespace(escaped_name="ana", environment=settings.Spawner.environment)
    settings.Spawner.pre_spawn_hook(spawner)
    settings.Spawner.apply_user_options(spawner, {"agreed": True, "environment": {"A": "b"}})
    [mount] = spawner.extra_container_spec["mounts"]
    assert (mount["Type"], mount["Source"], mount["Target"]) == (
        *("volume", "class-ana", "/home/attendee"),
    )
    assert set(spawner.environment) == {"LANGUAGE", "CLASS_LOCAL", "CLASS_URL", "CLASS_AGREED"}
    given = f"{settings.SwarmSpawner} {spawner.environment} {settings.Spawner.cmd}"
    kept = [file.read_text("utf-8") for file in (tmp_path / "secrets").iterdir()]
    assert [secret for secret in kept if secret in given] == []
    stack = yaml.safe_load((TEMPLATES / "stack.yml").read_text("utf-8"))
    with_socket = [name for name, one in stack["services"].items() if "docker.sock" in str(one)]
    assert with_socket == ["hub"]


# -- the command ---------------------------------------------------------------------------------
def test_the_same_class_goes_on_in_its_folder(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("jupyterhub.app.JupyterHub.launch_instance", started.append)
    monkeypatch.setattr("os.environ", {**os.environ})
    monkeypatch.chdir(tmp_path)
    command = ["class", "--local", "--listen", f"127.0.0.1:{free_port(PORTS)}", "--into"]
    assert main([*command, str(tmp_path / "room")]) == 0
    code = (tmp_path / "room" / "secrets" / "class_code").read_text("utf-8")
    assert (tmp_path / "room" / "secrets").stat().st_mode & 0o077 == 0
    assert main([*command, str(tmp_path / "room")]) == 0
    assert (tmp_path / "room" / "secrets" / "class_code").read_text("utf-8") == code
    assert started == [["--config", "jupyterhub_config.py"]] * 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--local", "--listen", "a.b.c.d"], "give an address of this machine"),
        (["--local", "--listen", "127.0.0.1:99999"], "give an address of this machine"),
        (["--local", "--listen", "192.0.2.1"], "give an address of this machine"),
        (["--local", "--users", "0"], "0 is not a class"),
        (["--listen", "127.0.0.1"], "--listen goes with --local"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, capsys, options, sentence):
    assert main(["class", "--into", str(tmp_path / "room"), *options]) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "room").exists()


def test_a_port_that_is_taken_is_refused(room, tmp_path, capsys):
    listen = f"127.0.0.1:{room.port - 2}"  # the third of four is the other class's
    assert main(["class", "--local", "--into", str(tmp_path / "room"), "--listen", listen]) == 1
    assert "Address already in use" in capsys.readouterr().err


def test_a_folder_of_others_is_refused(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")
    listen = f"127.0.0.1:{free_port(PORTS)}"
    assert main(["class", "--local", "--into", str(tmp_path), "--listen", listen]) == 1
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_the_proxy_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert main(["class", "--local", "--into", str(tmp_path / "room")]) == 1
    assert "npm install --global" in capsys.readouterr().err


def test_ctrl_c_leaves_no_process(room, people, kernels):
    assert len(room.processes()) >= 4 + 2 * len(people)  # hub, proxy, page, culler; server, kernel
    assert room.end() == []
