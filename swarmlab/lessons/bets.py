"""Bets: before a cell shows a result, a learner says what they expect and whether they are sure.

    ask("four_managers")     # show it; nothing waits for the click
    ...                      # do it, and look
    reveal("four_managers")  # what happened, why, and how many bets were right

The questions are in `questions.yml`, so that no notebook cell gives an answer away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import ipywidgets
import yaml

from swarmlab.cluster.calls import checked
from swarmlab.cluster.files import replace_file
from swarmlab.errors import LabError, NoneSuch
from swarmlab.lessons.progress_record import progress_file
from swarmlab.strings import N_, _
from swarmlab.views.html import Callout, ShownAs, WithStaticForms, folded, marked, widget_head
from swarmlab.views.widget import button, translate_later

LETTERS = "ABCDEF"
UNKNOWN_CHOICE = N_("{name!r} is none of the choices: {known}")


# A choice is a card as wide as the page, its text at any length. In a low window, as at 200 %, type
# and cards are smaller, so that one question fits in it.
CARD = (
    ".swarmlab-ask{font-size:1.25em;line-height:1.35}"
    ".jupyter-button.swarmlab-card{height:auto;padding:.45em 2em .45em .8em;"
    "text-align:left;white-space:normal;line-height:1.35;font-size:1.2em}"
    ".swarmlab-card .fa{position:absolute;right:.6em}"
    "@media(max-height:500px){.swarmlab-ask,.jupyter-button.swarmlab-card"
    "{font-size:1em;line-height:1.25}.swarmlab-card.swarmlab-card{padding:.1em 2em .1em .5em}}"
)


def stored_bets() -> dict[str, tuple[bool, bool | None]]:
    """What the file beside the record of exercises says; nothing when it is none of ours."""
    try:
        bets = json.loads(score_file().read_text("utf-8"))
        return {question: (right, sure) for question, (right, sure) in bets.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def score_file() -> Path:
    return progress_file().with_name("bets.json")


@dataclass(slots=True, repr=False)
class Score(ShownAs):
    """How many bets were right, on all pages. A new bet on a question replaces the older one.

    `score()` shows it. Lesson: 00_start_here.
    """

    # question: (right, sure; None: not said)
    bets: dict[str, tuple[bool, bool | None]] = field(default_factory=stored_bets)

    def add(self, question: str, *, right: bool, sure: bool | None) -> None:
        """Count a bet, here and in the file, so that it survives a restart."""
        self.bets = {**stored_bets(), **self.bets, question: (right, sure)}
        score_file().parent.mkdir(parents=True, exist_ok=True)
        replace_file(score_file(), json.dumps(self.bets, ensure_ascii=False, indent=1) + "\n")

    def count(self, *confidence: bool | None) -> tuple[int, int]:
        """(right, all) of the bets made with such confidence."""
        results = [right for right, sure in self.bets.values() if sure in confidence]
        return sum(results), len(results)

    @property
    def lines(self) -> tuple[str, ...]:
        """The count first, then what is worth a second look; empty without a bet."""
        if not self.bets:
            return ()
        sure_right, sure = self.count(True)
        guess_right, guesses = self.count(False)
        right, _all = self.count(True, False, None)
        parts = [_("sure: {right} of {all}", right=sure_right, all=sure)] if sure else []
        if guesses:
            parts.append(_("guesses: {right} of {all}", right=guess_right, all=guesses))
        total = _("Bets right, on all pages: {right} of {all}", right=right, all=len(self.bets))
        lines = [f"{total} ({'; '.join(parts)})."]
        surprises = [q for q, (right, was_sure) in self.bets.items() if was_sure and not right]
        if surprises:
            lines.append(_("Sure, and surprised: worth a second look."))
            lines += [f"– {_(question)}" for question in surprises]
        elif guesses and guess_right == guesses:
            lines.append(_("Every guess was right: you know more than you think."))
        return tuple(lines)

    @property
    def shown_as(self) -> Callout:
        none = (_("None yet. A bet costs one click, and you look more closely."),)
        return Callout(_("Your bets"), self.lines or none)


SCORE = Score()
LATEST: dict[str, Bet] = {}  # question, in English -> the widget made last for it
HANDS: dict[str, list[int]] = {}  # question -> hands that the room raised for each choice
BAR_MAX = 24  # characters


class Bet(WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """One question: a card for each choice, and then two buttons: sure, or a guess.

    All texts are English; it shows them in the user's language. `choices`: text -> feedback for
    those who choose it wrongly. `reveal_on_click`: the click itself
    shows the answer, as in a quiz.
    """

    def __init__(
        self,
        question: str,
        choices: Mapping[str, str],
        answer: str,
        why: str,
        *,
        reveal_on_click: bool = False,
    ) -> None:
        self.english = question
        self._texts = answer, why, dict(choices)  # in English, too
        self.reveal_on_click, self.revealed = reveal_on_click, False
        self.feedback: dict[str, str] = {}  # each choice, and what to say to those who choose it
        self.choice: str | None = None
        self.sure: bool | None = None
        super().__init__()
        self.relabel()
        self._keep_former_bet()
        translate_later(self)

    def relabel(self) -> None:
        """Show it in the language in use, as it stands."""
        place = None if self.choice is None else [*self.feedback].index(self.choice)
        answer, why, choices = self._texts
        self.question, self.answer, self.why = _(self.english), _(answer), _(why)
        self.feedback = {_(choice): _(feedback or "") for choice, feedback in choices.items()}
        self._check_choice(self.answer)
        self._build()
        if place is not None:
            revealed, self.revealed = self.revealed, False
            self.bet([*self.feedback][place], sure=self.sure)
            if revealed and not self.reveal_on_click:
                self.reveal()

    def _build(self) -> None:
        choices = self.feedback
        self._cards = {choice: self._card(choice) for choice in choices}
        self._confidence = {
            sure: button(label, partial(self._say_how_sure, sure=sure))
            for sure, label in ((True, _("I'm sure")), (False, _("I guess")))
        }
        self._how_sure = ipywidgets.HBox([*self._confidence.values()])
        self._how_sure.layout.display = "none"
        self._status = ipywidgets.HTML(layout={"flex": "1 1 20em"})
        # One row, so that nothing below moves when the two buttons appear.
        row = {"flex_flow": "row wrap", "align_items": "center", "min_height": "2.6em"}
        last_row = ipywidgets.HBox([self._status, self._how_sure], layout=row)
        ask = f"<b class='swarmlab-ask'>{marked(self.question)}</b>"
        html = f"{widget_head()}<style>{CARD}</style>{ask}"
        self.children = [ipywidgets.HTML(html), *self._cards.values(), last_row]
        click, bet = _("Choose: one click."), _("Place your bet: one click.")
        self._show_status(click if self.reveal_on_click else bet)

    def _check_choice(self, choice: str) -> None:
        if choice not in self.feedback:
            raise NoneSuch(UNKNOWN_CHOICE, choice, (*self._letters, *self.feedback))

    @property
    def _letters(self) -> dict[str, str]:
        return dict(zip(LETTERS, self.feedback, strict=False))

    def _keep_former_bet(self) -> None:
        """When a cell runs again, for example by Shift+Enter, a bet not yet revealed stands."""
        former = LATEST.get(self.english)
        LATEST[self.english] = self
        if former is not None and former.choice in self.feedback and not former.revealed:
            self.bet(former.choice, sure=former.sure)

    def _card(self, choice: str) -> ipywidgets.Button:
        text = f"{self._letter(choice)}: {choice.replace('`', '')}"
        card = button(text, partial(self.bet, choice), layout={"width": "auto", "height": "auto"})
        card.add_class("swarmlab-card")
        return card

    def _show_status(self, *lines: str) -> None:
        html = marked("\n".join(lines))
        self._status.value = f"<span role='status' style='font-size:1.1em'>{html}</span>"

    def bet(self, choice: str, *, sure: bool | None = None) -> None:
        """What a click does: `bet("A")`, or the choice's text. A bet may be changed until the
        reveal; after it, nothing counts.
        """
        if choice not in self.feedback:
            choice = self._letters.get(choice, choice)
        self._check_choice(choice)
        if self.revealed:
            why = [self.why] if self.reveal_on_click else []
            late = _("(After the reveal: not counted.)")
            self._show_status(*self._verdict(choice), *why, late)
            return
        self.choice, self.sure = choice, sure
        _choose(self._cards, choice)
        _choose(self._confidence, sure)
        if self.reveal_on_click:
            self.reveal()
            return
        self._how_sure.layout.display = ""
        if sure is None:
            line = _("✔ Your bet: {letter}. How sure are you? One more click.")
        else:
            line = _("✔ Your bet: {letter}, {how}. Now go on.")
        how = _("sure") if sure else _("a guess")
        self._show_status(line.format(letter=self._letter(choice), how=how))

    def _say_how_sure(self, *, sure: bool) -> None:
        if self.choice is not None:
            self.bet(self.choice, sure=sure)

    def _letter(self, choice: str) -> str:
        return LETTERS[list(self.feedback).index(choice)]

    def _verdict(self, choice: str | None) -> list[str]:
        """Whether the choice is right; for a wrong one its feedback, too, if it has some."""
        answer = f"{self._letter(self.answer)}: {self.answer}"
        if choice is None:
            return [_("No bet this time. The answer is {answer}", answer=answer)]
        if choice == self.answer:
            return [_("✔ Right. {answer}", answer=answer)]
        letter = self._letter(choice)
        verdict = _("✘ You said {letter}. It is {answer}", letter=letter, answer=answer)
        return [verdict, *filter(None, [self.feedback[choice]])]

    def explanation(self) -> list[str]:
        """The verdict on the bet, what the room bet, and why the answer is right."""
        return [*self._verdict(self.choice), *self._raised_hands(), self.why]

    def _raised_hands(self) -> list[str]:
        """A bar for each choice, if hands were counted."""
        counts = HANDS.get(self.question, [])
        most = max(counts, default=0) or 1
        bars = ("█" * round(BAR_MAX * count / most) for count in counts)
        return [f"`{x} {bar}` {n}" for x, bar, n in zip(LETTERS, bars, counts, strict=False)]

    def reveal(self) -> Callout:
        """The answer and why; counts the bet, if there was one."""
        if self.choice is not None and not self.revealed:
            SCORE.add(self.english, right=self.choice == self.answer, sure=self.sure)
        self.revealed = True
        self._how_sure.layout.display = "none"
        title, *lines = *self.explanation(), *SCORE.lines[:1]
        if self.choice is None:
            title, lines = self.question, [title, *lines]
        if self.reveal_on_click:
            self._show_status(title, *lines)
        else:
            self._show_status(title if self.choice else _("Answered below. You made no bet."))
        return Callout(title, tuple(lines))

    # -- forms -----------------------------------------------------------------------
    def __repr__(self) -> str:
        rows = [f"  {self._letter(choice)}  {choice}" for choice in self.feedback]
        return "\n".join((self.question, *rows))

    def _repr_html_(self) -> str:
        """What a page without a kernel shows: the question, and its answer folded."""
        rows = "".join(f"<li>{marked(choice)}</li>" for choice in self.feedback)
        answer = folded(_("Answer"), marked(f"{self.answer}\n{self.why}"))
        return (
            f"<p><b>{marked(self.question)}</b></p>"
            f"<ol style='list-style-type:upper-alpha'>{rows}</ol>"
            f"{answer}"
        )


def _choose(buttons: Mapping[Any, ipywidgets.Button], chosen: object) -> None:
    """Mark one of the buttons, or none."""
    for key, shown in buttons.items():
        icon, style = ("check", "primary") if key == chosen else ("", "")
        shown.icon, shown.button_style = icon, style


@cache
def questions() -> dict[str, dict[str, Any]]:
    """Name -> question, choices (each with feedback for a wrong choice), answer, why."""
    bank = yaml.safe_load(Path(__file__).with_name("questions.yml").read_text("utf-8"))
    return {name: {**entry, "answer": str(entry["answer"])} for name, entry in bank.items()}


def _entry(name: str) -> dict[str, Any]:
    if name not in questions():
        raise NoneSuch("there is no question {name!r}; there are {known}", name, questions())
    return questions()[name]


def _bet_on(name: str, *, reveal_on_click: bool) -> Bet:
    entry = _entry(name)
    choices = {str(choice): feedback for choice, feedback in entry["choices"].items()}
    question, answer, why = (entry[key] for key in ("question", "answer", "why"))
    return Bet(question, choices, answer, why, reveal_on_click=reveal_on_click)


class Questions(WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """Several questions, one below the other.

    `ask("no_leader")` shows one. Lesson: 05_quorum.
    """

    def bet(self, *letters: str, sure: bool | None = None) -> None:
        """Bet without buttons, a letter for each question: `ask("reads").bet("C", sure=True)`."""
        if len(letters) != len(self.children):
            few = N_("{letters!r}: give a letter for each question; questions here: {n}")
            raise LabError(few, letters=letters, n=len(self.children))
        for question, letter in zip(self.children, letters, strict=True):
            question.bet(letter, sure=sure)

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.children))

    def _repr_html_(self) -> str:
        return "".join(bet._repr_html_() for bet in self.children)


@checked
def ask(*names: str) -> Questions:
    """Questions of the bank, to be revealed later: `ask("reads")`. Without buttons:
    `ask("reads").bet("C")`. Lesson: 00_start_here.
    """
    return Questions([_bet_on(name, reveal_on_click=False) for name in names])


@checked
def reveal(*names: str) -> Callout:
    """The answers to these questions of the bank, whether or not they were asked, and the score:
    `reveal("reads")`. Lesson: 00_start_here.
    """
    bets = [
        LATEST.get(_entry(name)["question"]) or _bet_on(name, reveal_on_click=False)
        for name in names
    ]
    callouts = [bet.reveal() for bet in (*bets, *bets)]  # again, with all bets counted
    if len(bets) == 1:
        return callouts[-1]
    answers = ((f"**{bet.question}**", *bet.explanation()) for bet in bets)
    return Callout(_("Your bets"), (*chain.from_iterable(answers), *SCORE.lines[:1]))


@checked
def quiz(*names: str) -> Questions:
    """Questions of the bank, each answered by its click: `quiz("reads")`. Lesson: 00_start_here."""
    return Questions([_bet_on(name, reveal_on_click=True) for name in names])


@checked
def score() -> Score:
    """How many bets were right so far, always up to date: `score()`. Lesson: 00_start_here."""
    return SCORE
