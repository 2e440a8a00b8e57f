"""Every text that users read can be translated: it is extracted, and looked up where shown."""

from __future__ import annotations

import ast
import contextlib
import gettext
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import babel
import pytest
from babel.messages import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from packaging.version import Version

import swarmlab
from swarmlab import strings
from swarmlab.cli.command_line import main
from swarmlab.cli.command_line import swarmlab as swarmlab_command
from swarmlab.cluster import inspectors
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons import course_map, exercise, exercises, goal_checks, progress
from swarmlab.lessons.bets import SCORE, Bet, ask, questions
from swarmlab.lessons.experiments import follow, quorum_table, slow_followers
from swarmlab.lessons.network_experiments import gossip_spread
from swarmlab.views.board import Board, board_of
from swarmlab.views.density import density, sources
from swarmlab.views.election import election
from swarmlab.views.placement_explanation import why
from swarmlab.views.raft_columns import raft_columns
from swarmlab.views.secret_path import secret_path
from swarmlab.views.snapshot import node_rows
from swarmlab.views.spread import spread
from swarmlab.views.stacks import SLIDE_5, two_stacks
from swarmlab.views.timeline import timeline
from swarmlab.views.topology import topology
from swarmlab.views.update_history import settings
from swarmlab.views.widget import speak
from swarmlab.views.workflow import workflow
from swarmlab.views.zones import quorum_explorer
from tests.catalogue import (
    KEYWORDS,
    PACKAGE,
    ROOT,
    YAML_TEXTS,
    faults,
    files,
    invented,
    key,
    python_messages,
    read,
    template,
    write,
    yaml_messages,
)


# -- the template ----------------------------------------------------------------------------------
def messages(catalogue: Catalog) -> dict[Any, list[str]]:
    """Message -> the files it occurs in."""
    return {m.id: sorted({file for file, _line in m.locations}) for m in catalogue if m.id}


def test_the_template_can_be_written_and_read_by_babel(tmp_path: Path):
    write(tmp_path / "swarmlab.po", template())
    written = messages(read(tmp_path / "swarmlab.po"))
    assert len(written) > 2000
    assert written == messages(template())


@pytest.mark.skipif(
    Version(babel.__version__) < Version("2.19"),
    reason="an older babel takes the key in `_(row[key])` for a message",
)
def test_every_message_that_babel_extracts_is_in_the_template():
    keywords: dict[str, Any] = dict.fromkeys(KEYWORDS)
    extracted = {
        message if isinstance(message, str) else message[0]
        for path in sorted(PACKAGE.rglob("*.py"))
        for _line, message, _comments, _context in extract_from_file("python", path, keywords)
    }
    assert len(extracted) > 500
    assert extracted <= {key(message) for message in template()}


def test_messages_are_extracted_from_python_and_yaml():
    source = '_("a" " b")\nN_("c")\nf"{_(\'d\')}"\nf("no")\n_(name)\nLabError("{i}", i="no")'
    assert [*python_messages(source)] == ["a b", "c", "d", "{i}"]
    assert [*python_messages('_("{n} e", "{n} f", n=3)')] == [("{n} e", "{n} f")]
    data = {"four": {"question": "e", "choices": {"f": "g", "h": None, 3: None}, "seed": "no"}}
    assert [*yaml_messages(data, {"question", "choices"})] == ["e", "f", "g", "h"]


def test_of_every_yaml_file_it_is_said_which_keys_hold_texts():
    for path in PACKAGE.rglob("*.yml"):
        assert sum(path.relative_to(PACKAGE).match(name) for name in YAML_TEXTS) == 1, path


def test_every_sentence_of_the_help_is_in_the_template(
    marked_language: None, monkeypatch: pytest.MonkeyPatch
):
    """Also click's own: it looks for them in our catalogue."""
    monkeypatch.setenv("LANGUAGE", "xx")
    for name in {*swarmlab_command.commands} - {"docker"}:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert main([name, "--help"]) == 0
        own_words = re.sub(r"-?-[\w-]+|\b[A-Z]{2,}\b", "", out.getvalue())  # options, arguments
        assert unmarked(own_words) <= {name, "swarmlab", "IN"}


def test_the_header_of_a_catalogue_is_never_shown(marked_language: None):
    assert strings._("") == ""


def composed_texts(text: str) -> Iterator[str]:
    """Error texts with words in an f-string, which no catalogue can contain."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KEYWORDS and node.args:
            pieces = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else ()
            words = [str(piece.value) for piece in pieces if isinstance(piece, ast.Constant)]
            yield from (word for word in words if re.search("[a-z]{2}", word))


def test_no_error_text_is_composed():
    assert [*composed_texts('LabError(f"{a}: no")\nLabError(f"{a}: {b}")')] == [": no"]
    for path in sorted(PACKAGE.rglob("*.py")):
        assert [*composed_texts(path.read_text("utf-8"))] == [], path


def translated_at_import(text: str) -> Iterator[int]:
    """Lines that call `_` outside a function: at import, before `strings.use`."""
    waiting: list[ast.AST] = [ast.parse(text)]
    for node in waiting:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
            yield node.lineno
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def test_no_text_is_translated_when_a_module_is_imported():
    assert [*translated_at_import('A = _("a")\nclass B:\n    c = [_("d")]\n')] == [1, 3]
    assert [*translated_at_import('def f():\n    return _("a")\n')] == []
    for path in sorted(PACKAGE.rglob("*.py")):
        assert [*translated_at_import(path.read_text("utf-8"))] == [], path


def test_javascript_contains_no_texts():
    for path in sorted((PACKAGE / "views" / "static").glob("*.js")):
        code = re.sub(r"//.*|\$\{[^}]*\}", "", path.read_text("utf-8"))
        literals = re.findall(r'"[^"\n]*"|`[^`]*`', code)
        # Not a part of a class's name: jp-Notebook.
        words = set(re.findall(r"(?<!-)\b[A-Z][a-z]+\b", " ".join(literals)))
        assert words <= {"Enter", "Escape"}, path.name  # keys


# -- a made-up language ----------------------------------------------------------------------------
OPEN, SHUT = "⟦", "⟧"
INNERMOST = re.compile(f"{OPEN}[^{OPEN}{SHUT}]*{SHUT}")
# Docker's own words: states, roles, flags, paths, commands; and answers of an engine.
DOCKERS = {
    *("manager", "worker", "ready", "down", "active", "drain", "pause", "reachable"),
    *("unreachable", "unknown"),
    *("running", "updating", "paused", "completed", "update", "rollback", "stop", "start", "first"),
    *("parallelism", "delay", "order", "monitor", "max", "failure", "ratio", "action"),
    *("nginx", "docker", "service", "create", "run", "secrets", "node", "labels", "az", "cluster"),
}
DOCKERS_SENTENCES = re.compile(
    r"`[^`]*`|rpc error: [^\n]*|no suitable node \([^)]*\)|task: non-zero exit \(\d+\)"
    r"|update in progress|update paused due to failure or early termination of task \w+"
)
OURS = {"web", "senha", "db", "GiB", "MiB", "ms", "CA"}  # names made up in tests; units


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of catalogues with one language, in which each message is in brackets."""
    made_in = tmp_path_factory.mktemp("locale")
    invented(made_in, "eo", lambda text: f"{OPEN}{text}{SHUT}")
    (made_in / "eo").rename(made_in / "xx")
    return made_in


class Unknown(gettext.NullTranslations):
    """Notes what was looked up and is in no catalogue."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: set[str] = set()

    def gettext(self, message: str) -> str:
        self.texts.add(message)
        return message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1)


@pytest.fixture
def marked_language(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use that language; every text that is looked up has to be in it."""
    monkeypatch.setattr(strings, "FOLDER", folder)
    strings.use("xx")
    unknown = Unknown()
    strings._catalogue.add_fallback(unknown)
    try:
        yield
    finally:
        strings.use("en")
    words = {re.sub(r"\{\w*\}", "", text) for text in unknown.texts}
    assert words - DOCKERS == {""} & words


def unmarked(text: str) -> set[str]:
    """The English words of a text that come from no catalogue."""
    while INNERMOST.search(text):
        text = INNERMOST.sub(" ", text)
    words = re.findall(r"(?<!\w)[A-Za-z]{2,}(?!\w)", DOCKERS_SENTENCES.sub(" ", text))
    return set(words) - DOCKERS - OURS


def page(shown: Any) -> str:
    """Both forms of a view: text, and HTML without tags."""
    return f"{shown!r}\n{plain(shown._repr_html_())}"


def plain(html: str) -> str:
    """HTML without tags and commands, with the alternative texts of pictures."""
    html = re.sub(r"(?:alt|aria-label|title)=(['\"])(.*?)\1", r">\2<", html)
    drawing = r"<(style|script|template)\b.*?</\1>"
    html = re.sub(drawing, " ", html, flags=re.DOTALL)
    return unescape(re.sub(r"<code>.*?</code>|<[^>]*>", " ", html))


def with_services(cluster: Any) -> Any:
    """Run four replicas of web in two zones, and a service that no node can run."""
    for line in (
        "node update --label-add az=a m1",
        "node update --label-add az=b w1",
        "service create -q -d --name web --replicas 4 -p 8080:80 nginx:1.25",
        "service create -q -d --name db --constraint node.labels.az==c nginx:1.25",
    ):
        run_commands(line, io.StringIO(), io.StringIO())
    cluster.run("20s")
    return cluster


# -- every view, in that language ------------------------------------------------------------------
def the_board(cluster: Any) -> Iterator[str]:
    """The board's text, page and traits while the cluster changes."""
    board = board_of(cluster)
    yield from shown_by(board)
    with_services(cluster)
    board.refresh()
    yield from shown_by(board)
    for verb, node in (("drain", "w2"), ("pause", "w1"), ("active", "w2"), ("start", "w1")):
        board._on_message(None, {"do": verb, "node": key_of(board, node)}, None)
        yield from shown_by(board)
    for verb, node in (("crash", "w1"), ("crash", "m1"), ("step", ""), ("step", ""), ("step", "")):
        board._on_message(None, {"do": verb, "node": key_of(board, node)}, None)
        yield from shown_by(board)
    for line in ("service scale -d web=2", "service update -d --image nginx:1.27 web", "node ls"):
        run_commands(line, io.StringIO(), io.StringIO())
        cluster.run("20s")
        board.refresh()
        yield from shown_by(board)
    cluster.crash("m2")
    board.refresh()
    yield from shown_by(board)
    board.close()


def key_of(board: Board, name: str) -> str:
    assert board.snapshot is not None
    return next((row.key for row in board.snapshot.nodes if row.name == name), "")


def shown_by(board: Board) -> Iterator[str]:
    columns = [getattr(board, f"node:{key}") for key in board.columns]
    parts = ("name", "badge", "role", "term", "condition", "label")
    yield from (str(column[part]) for column in columns for part in parts)
    yield from (action[1] for column in columns for action in column["actions"])
    yield from (word for column in columns for task in column["tasks"] for word in task[2:])
    yield from (word for _key, _verb, word in board.actions)
    yield from (look[1] for look in board.looks.values())
    yield from (sentence for _number, _at, sentence in board.news)
    yield from board.labels.values()
    services = [row[:-1] for row in board.services]  # the last one: how its tasks are drawn
    yield json.dumps([services, board.waiting], ensure_ascii=False)
    status = board.status
    yield from (status["clock"], status["leader"], status["error"], *status["notices"])
    yield board.text
    yield plain(board._repr_html_())


def the_raft_columns(cluster: Any) -> Iterator[str]:
    columns = raft_columns(cluster)
    for step in (*["message"] * 30, "1s", "10s"):
        columns.step(step)
        yield columns.text
    columns._on_message(None, {"do": "drop", "key": "none"}, None)
    cluster.crash("m1")
    for _step in range(60):
        columns.step("1s")
        yield columns.text
    yield columns.status["error"]
    yield from (sentence for _number, _at, sentence in columns.news)
    yield from (
        word for column in columns.columns for word in (column["look"][1], column["action"][1])
    )
    labels = dict(columns.labels)
    yield from (word for _step, word in labels.pop("steps"))
    yield from labels.values()
    columns.close()


def the_bets(_cluster: Any) -> Iterator[str]:
    made = ask(*questions())
    yield repr(made)
    for bet in made.children:
        yield from bets(bet)
    yield page(SCORE)


def bets(bet: Bet) -> Iterator[str]:
    *_others, last = bet.feedback
    yield plain(bet._status.value)
    bet.bet(last, sure=True)
    yield plain(bet._status.value)
    yield page(bet.reveal())


def the_election(cluster: Any) -> Iterator[str]:
    cluster.crash("m1")
    cluster.run("40s")
    cluster.start("m1")
    cluster.partition(["m1"], ["m2", "m3"])
    cluster.run("20s")
    cluster.heal()
    cluster.run("20s")
    yield page(election(cluster, 0))


def the_rollout(cluster: Any) -> Iterator[str]:
    with_services(cluster).traffic("web")
    run_commands("service update -q -d --args 'sh -c false' web", io.StringIO(), io.StringIO())
    seen = follow(cluster, "web")
    assert seen.phases
    words = page(seen)
    for version in seen.versions:  # an image and its arguments
        words = words.replace(version, "")
    yield words
    yield page(settings(cluster, "web"))


def the_secret(cluster: Any) -> Iterator[str]:
    cluster.client().secrets.create(name="senha-db", data=b"senha")
    line = "service create -q -d --name web --secret senha-db nginx"
    run_commands(line, io.StringIO(), io.StringIO())
    cluster.run("20s")
    yield page(secret_path(cluster, "senha-db"))
    yield page(inspectors.who_can_read(cluster, "senha-db")).replace("/run/secrets", "")


def both_reasons(cluster: Any) -> Iterator[str]:
    with_services(cluster)
    waiting = why(cluster, "db.1")
    yield from (page(why(cluster, "web.1")), page(waiting))
    yield page(spread(cluster, "web", "az"))


def the_exercise(_cluster: Any) -> Iterator[str]:
    """The texts of its buttons; commands are in backticks."""
    task = exercise("survive_two_failures", make=swarmlab.simulate)
    yield page(task)
    yield plain(task._status.value)
    acts = [task.start, task.check, *[task.hint] * 4, task.undo, task.solution]
    for act in acts:
        task._on_click(act)
        yield plain(task._status.value + task._count.value)
    task.do(task.exercise.solution)
    yield repr(task.check())
    yield from (goal_checks.value_text(value) for value in ("none", Counter(unlabelled=2), []))
    yield from (button.description for button in task._buttons)
    yield page(progress("05_quorum"))
    task.close()


def the_timeline(cluster: Any) -> Iterator[str]:
    line = timeline(with_services(cluster))
    for _step in range(3):
        yield line.back().text
    line.fork()
    yield plain(line._repr_html_())
    yield from (sentence for _number, _at, sentence in line.news)
    yield from (look[1] for look in line.looks.values())
    yield from line.labels.values()
    line.close()


def the_errors(cluster: Any) -> Iterator[str]:
    """Errors, each with the valid choices."""
    acts: list[Callable[[], Any]] = [
        lambda: cluster.crash("web"),
        lambda: cluster.partition(["web"], ["m1"]),
        lambda: cluster.slow("m1", "w1", "1s", loss=2),
        lambda: cluster.drop("m1", "w1", 99),
        lambda: cluster.close_ports("m1", "w1", 0),
        lambda: cluster.run("web"),
        lambda: cluster.run(-1),
        lambda: cluster.play(0),
        lambda: cluster.until(lambda: False, "1s"),
        lambda: cluster.as_of("99h"),
        lambda: cluster.explain("web"),
        lambda: cluster.traffic("web"),
        lambda: cluster.who_can_read("web"),
        lambda: swarmlab.load(PACKAGE / "__init__.py"),
        lambda: ask("web"),
        lambda: exercise("web", make=swarmlab.simulate),
    ]
    for act in acts:
        with pytest.raises(swarmlab.LabError) as raised:
            act()
        yield re.sub(r"(?<=: )there are.*|'[^']*'|/\S*", "", str(raised.value))


VIEWS: dict[str, Callable[[Any], Iterator[str]]] = {
    "board": the_board,
    "nodes": lambda cluster: iter([page(node_rows(cluster))]),
    "Raft columns": the_raft_columns,
    "bets": the_bets,
    "election": the_election,
    "rollout": the_rollout,
    "secret": the_secret,
    "why here": both_reasons,
    "errors": the_errors,
    "timeline": the_timeline,
    "quorum": lambda _: iter([page(quorum_table((1, 2, 3), make=swarmlab.simulate))]),
    "slow followers": lambda cluster: iter([page(slow_followers(cluster))]),
    "gossip": lambda _: iter([page(gossip_spread(nodes=3))]),
    "topology": lambda cluster: iter([page(topology(with_services(cluster)))]),
    "zones": lambda _: (page(quorum_explorer(5, zones)) for zones in (1, 2, 3)),
    "stacks": lambda _: iter([page(two_stacks()), page(SLIDE_5)]),
    "density": lambda _: iter([page(density()), page(sources())]),
    "exercise": the_exercise,
    "trust": lambda cluster: iter([page(inspectors.trust(cluster))]),
    "keys": lambda cluster: iter([page(inspectors.network_keys(cluster))]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_every_text_of_a_view_comes_from_a_catalogue(
    name: str, marked_language: None, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))  # where progress is saved
    monkeypatch.setattr(SCORE, "bets", {})
    texts = list(VIEWS[name](cluster))
    assert texts
    assert {word for text in texts for word in unmarked(text)} == set()


# -- another language while a page is open ---------------------------------------------------------
@pytest.fixture
def switched(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The marked language is there to be chosen; afterwards it is English again."""
    monkeypatch.setattr(strings, "FOLDER", folder)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setattr(SCORE, "bets", {})
    yield
    strings.use("en")


def shown_live(board: Board, line: Any, columns: Any, flow: Any, sliders: Any) -> Iterator[str]:
    for widget in (board, line, columns, flow):
        yield from (text for text in widget.labels.values() if isinstance(text, str) and text)
        yield widget.text
    yield from (
        look[1] for looks in (board.looks, line.looks, flow.looks) for look in looks.values()
    )
    yield from (action[2] for action in board.actions)
    yield from (control.label for control in sliders.controls.values())
    yield plain(str(sliders._picture.value))


def test_what_is_shown_live_changes_its_language_in_place(switched: None, cluster: Any):
    made = [board_of(cluster), timeline(cluster), raft_columns(cluster), workflow(cluster)]
    sliders = density()
    assert all(OPEN not in text for text in shown_live(*made, sliders))
    speak("xx")
    texts = {
        text.replace(widget.layout.model_id, "")
        for widget in made
        for text in shown_live(*made, sliders)
    }
    assert {word for text in texts for word in unmarked(text)} == set()
    speak("en")
    assert all(OPEN not in text for text in shown_live(*made, sliders))


def test_what_a_board_told_is_told_in_another_language(switched: None):
    cluster = swarmlab.simulate(managers=3, workers=1, seed=7)
    board = board_of(cluster)
    board.act("crash", {"node": board.columns[0]})
    board.refresh()
    cluster.run("30s")
    board.refresh()
    english = board.news
    assert len(english) > 2
    speak("xx")
    assert [row[0] for row in board.news] == [row[0] for row in english]
    assert {word for row in board.news for word in unmarked(row[2])} == set()
    speak("en")
    assert board.news == english


def test_numbers_that_people_read_are_written_as_the_language_does():
    """No f-string of ours writes a fraction, or thousands, itself, but for lengths (%, em)."""
    found = []
    folders = ("views", "lessons", "jupyter", "compare")
    paths = [path for folder in folders for path in sorted((PACKAGE / folder).rglob("*.py"))]
    for path in [*paths, PACKAGE / "cli" / "bench.py", PACKAGE / "cluster" / "inspectors.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            values = node.values if isinstance(node, ast.JoinedStr) else []
            for value, after in pairwise([*values, ast.Constant("")]):
                spec = ast.unparse(value.format_spec) if getattr(value, "format_spec", None) else ""
                length = str(getattr(after, "value", "")).startswith(("%", "em"))
                if re.search(r"(,(\.\d)?|\.[1-9])[fg%]?'$", spec) and not length:
                    found.append(f"{path.name}:{node.lineno} {ast.unparse(node)}")
    assert found == []


def test_a_bet_keeps_its_choice_in_another_language(switched: None):
    bet = ask("leader_crash").children[0]
    first = next(iter(bet.feedback))
    bet.bet(first, sure=True)
    speak("xx")
    assert bet.choice == f"{OPEN}{first}{SHUT}"
    assert unmarked(bet.children[-1].children[0].value.replace("role='status'", "")) <= {
        "span",
        "style",
        "font",
        "size",
        "em",
    }
    assert [card.button_style for card in bet.children[1:-1]] == ["primary", "", "", ""]
    bet.reveal()
    speak("en")
    assert bet.revealed
    assert bet.choice == first
    assert bet.question in SCORE.bets
    assert all(OPEN not in question for question in SCORE.bets)  # counted under its English name


def test_an_exercise_and_the_list_it_is_picked_from_change_their_language(switched: None):
    picker = exercises("05_quorum", make=swarmlab.simulate)
    picker.exercise.start()
    board, buttons = picker.exercise._board, [*picker.exercise._buttons]
    speak("xx")
    now = picker.exercise
    assert all(OPEN in button.description for button in now._buttons)
    assert now._buttons != buttons
    assert now.children[-1] is board
    assert {word for entry, _name in picker.pick.options for word in unmarked(entry)} == set()
    assert picker.pick.label == f"{OPEN}Exercise{SHUT}"
    assert picker.pick.value == now.exercise.name


def test_the_course_map_has_a_list_of_languages_and_leads_to_their_pages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LANGUAGE", "en")
    first = {"Start": {"00_start_here": {"slides": "20", "minutes": "15"}}}
    monkeypatch.setattr(course_map, "course", lambda: first)
    shown = course_map.course_map()
    menu = shown.controls["name"]
    assert menu.options == [["English", "en"], ["português (Brasil)", "pt_BR"]]
    assert 'href="00_start_here.ipynb"' in shown._picture.value
    menu.value = "pt_BR"
    assert strings.language() == "pt_BR" == os.environ["LANGUAGE"]
    assert 'href="pt-BR/00_start_here.ipynb"' in shown._picture.value
    assert "Comece aqui" in shown._picture.value  # the page's own title
    monkeypatch.setattr(course_map, "FIRST_LANGUAGE", "pt_BR")  # as from a Portuguese page
    monkeypatch.chdir(ROOT / "notebooks" / "pt-BR")
    other = course_map.course_map()
    menu.value = "en"
    assert 'href="../00_start_here.ipynb"' in shown._picture.value
    assert (other.controls["name"].value, strings.language()) == ("en", "en")
    assert other._picture.value == shown._picture.value


def test_a_word_without_marks_is_detected(marked_language: None):
    assert unmarked(strings._("No election in this time.") + " again, ready") == {"again"}


# -- the catalogues that are kept ------------------------------------------------------------------
def planted(change: str) -> list[str]:
    """The faults of a small catalogue after a change of its text."""
    wanted, text = (
        Catalog(locale="pt_BR"),
        io.BytesIO(SMALL.replace(*change.split(" => ")).encode()),
    )
    wanted.add("`docker` asks <b>{name}</b> for **{n}** ")
    wanted.add(("{n} task", "{n} tasks"))
    return [*faults(read_po(text), wanted)]


SMALL = """msgid ""
msgstr "Language: pt_BR\\nPlural-Forms: nplurals=2; plural=(n > 1);"

msgid "`docker` asks <b>{name}</b> for **{n}** "
msgstr "O `docker` pede **{n}** a <b>{name}</b> "

msgid "{n} task"
msgid_plural "{n} tasks"
msgstr[0] "{n} tarefa"
msgstr[1] "{n} tarefas"
"""


@pytest.mark.parametrize(
    ("change", "fault"),
    {
        "fulano => fulano": "",
        'msgstr "O => #msgstr "O': "missing",
        "{n} tarefas => ": "missing",
        'msgid "` => #, fuzzy\nmsgid "`': "fuzzy",
        'msgid "{n} task"\nmsgid_plural => msgid "{n} job"\nmsgid_plural': "stale",
        "pede **{n}** => pede **{m}**": "placeholders differ",
        "{n} tarefas => {n}{n} tarefas": "placeholders differ",
        "a <b>{name}</b> => a <b>{name}": "HTML tags differ",
        "O `docker` => O `doca`": "commands in backticks differ",
        "pede **{n}** => pede *{n}*": "asterisks differ",
        'a <b>{name}</b> " => a <b>{name}</b>"': "spaces at the ends differ",
    }.items(),
)  # fmt: skip
def test_a_fault_of_a_catalogue_is_found(change: str, fault: str):
    found = planted(change)
    assert (fault == "") == (found == [])
    assert any(line.startswith(fault) for line in found) or not fault


def test_the_catalogues_are_whole():
    """After a change of a text: `python -m tests.catalogue update`, and translate."""
    for path in files():
        assert [*faults(read(path), template())] == []
