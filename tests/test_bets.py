"""Bets and quizzes: one click, the reveal, and the score."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmlab.errors import LabError
from swarmlab.lessons import bets
from swarmlab.lessons.bets import Bet, Score, ask, questions, quiz, reveal
from swarmlab.views.html import marked


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Score:
    """A score without bets, in place of the session's."""
    monkeypatch.setattr(bets, "progress_file", lambda: tmp_path / "progress.json")
    monkeypatch.setattr(bets, "SCORE", Score())
    monkeypatch.setattr(bets, "LATEST", {})
    return bets.SCORE


def new_bet() -> Bet:
    return Bet("2 + 2?", {"3": "Count again.", "4": ""}, answer="4", why="It is even.")


def test_a_reveal_without_a_bet_shows_the_question_then_the_answer(score: Score):
    assert repr(new_bet().reveal()).splitlines() == [
        "2 + 2?",
        "No bet this time. The answer is B: 4",
        "It is even.",
    ]
    assert score.bets == {}


def test_one_click_is_the_bet_and_a_second_says_how_sure(score: Score):
    bet = new_bet()
    cards, (sure, guess) = [*bet._cards.values()], bet._how_sure.children
    assert [card.description for card in cards] == ["A: 3", "B: 4"]
    assert bet._how_sure.layout.display == "none"
    cards[0].click()
    assert (bet.choice, bet.sure, bet.revealed) == ("3", None, False)
    assert bet._how_sure.layout.display != "none"
    guess.click()
    assert (bet.choice, bet.sure) == ("3", False)
    sure.click()
    assert (bet.choice, bet.sure) == ("3", True)
    assert [card.icon for card in cards] == ["check", ""]
    assert "4" not in bet._status.value  # the answer is not shown yet
    assert repr(bet.reveal()).splitlines()[1] == "Count again."
    assert score.bets == {"2 + 2?": (False, True)}
    assert "surprised" in repr(score)


def test_the_score_survives_a_restart(score: Score):
    for sure in (True, None):
        bet = Bet(f"Sure: {sure}?", {"3": "", "4": ""}, answer="4", why="")
        bet.bet("4", sure=sure)
        bet.reveal()
    assert Score().bets == score.bets == {"Sure: True?": (True, True), "Sure: None?": (True, None)}
    assert repr(Score()).splitlines()[1] == "Bets right, on all pages: 2 of 2 (sure: 1 of 1)."
    bets.score_file().write_text("no JSON", encoding="utf-8")
    assert Score().bets == {}


def test_a_bet_stands_when_its_cell_is_run_again_before_the_reveal(score: Score):
    new_bet().bet("3", sure=True)
    again = new_bet()
    assert (again.choice, again.sure) == ("3", True)
    again.reveal()
    assert new_bet().choice is None  # a new round
    assert score.bets == {"2 + 2?": (False, True)}


def test_a_bet_is_made_by_letter_where_there_are_no_buttons(score: Score):
    asked = ask("reads", "partition")
    asked.bet("C", "A", sure=True)
    assert [(bet._letter(bet.choice), bet.sure) for bet in asked.children] == [
        ("C", True),
        ("A", True),
    ]
    with pytest.raises(LabError, match="give a letter for each question; questions here: 2"):
        asked.bet("C")
    with pytest.raises(LabError, match="'Z' is none of the choices: A, B, C"):
        asked.bet("A", "Z")
    lettered = Bet("Which?", {"B": "", "A": ""}, answer="A", why="")
    lettered.bet("A")  # a choice's own text comes before its letter
    assert lettered.choice == "A"


def test_a_skipped_question_does_not_get_the_answer_of_another(score: Score):
    ask("reads").children[0].bet("An empty list")
    title, answer, *_ = repr(reveal("partition")).splitlines()
    assert title == questions()["partition"]["question"].replace("**", "")
    assert answer.startswith("No bet this time.")
    assert score.bets == {}
    assert "You said" in repr(reveal("reads"))


def test_after_the_reveal_nothing_counts(score: Score):
    bet = new_bet()
    bet.reveal()
    bet.bet("4")
    assert score.bets == {}
    assert "not counted" in bet._status.value


def test_a_quiz_answers_each_click_with_its_reason_and_counts_the_first(score: Score):
    bet = quiz("reads").children[0]
    right, wrong = bet.answer, next(choice for choice in bet.feedback if choice != bet.answer)
    bet.bet(wrong)
    assert "Bets right, on all pages: 0 of 1" in bet._status.value
    bet.bet(right)
    assert "✔ Right" in bet._status.value
    assert marked(bet.why) in bet._status.value
    assert len(score.bets) == 1


@pytest.mark.usefixtures("score")
def test_several_answers_end_with_the_score_once():
    asked = ask("reads", "join_heals")
    asked.children[0].bet("An empty list")
    asked.children[1].bet("No: no one can join now")
    answers = repr(reveal("reads", "join_heals", "partition"))
    assert answers.count("Bets right") == 1
    for name in ("reads", "join_heals", "partition"):  # with a bet or without one
        assert answers.count(questions()[name]["question"].replace("`", "")) <= 1
        assert answers.count(questions()[name]["question"]) == 1


def test_a_quiz_answers_at_once(score: Score):
    asked = quiz("reads", "join_heals")
    asked.children[0].bet("An error")
    assert "Right" in asked.children[0]._status.value
    assert score.count(None) == (1, 1)


def test_a_question_without_a_kernel_shows_its_answer_folded():
    bundle = ask("partition")._repr_mimebundle_()
    assert "Who can still change the swarm?" in bundle["text/plain"]
    assert "<details>" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_every_question_has_its_answer_and_feedback_for_every_wrong_choice():
    for name, entry in questions().items():
        choices = {str(choice): feedback for choice, feedback in entry["choices"].items()}
        assert entry["answer"] in choices, name
        wrong = [choice for choice in choices if choice != entry["answer"]]
        assert [choice for choice, feedback in choices.items() if feedback] == wrong, name
        assert entry["why"], name
    places = {list(e["choices"]).index(e["answer"]) for e in questions().values()}
    assert len(places) > 2  # no letter is always right


def test_an_unknown_answer_or_question_is_refused():
    with pytest.raises(LabError, match="none of the choices"):
        Bet("?", {"a": "", "b": ""}, answer="c", why="")
    with pytest.raises(LabError, match=r"no question 'client_gon'; there are client_gone, .*…$"):
        ask("client_gon")
    with pytest.raises(LabError, match=r"there is no question 'nope'; there are \w+, "):
        ask("nope")
