"""A bet before the reveal: one click says what you expect and whether you are sure.

    bet = ask("four_managers")  # show it; nothing waits for the click
    ...                         # do it, and look
    bet.reveal()                # what happened, why, and how good your bets are

The questions of the notebooks stand in `questions.yml`, so that no cell gives its answer away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import ipywidgets
import yaml

from swarmlab.errors import NoneSuch
from swarmlab.strings import N_, _
from swarmlab.views.html import Callout, ShownAs, WithStaticForms, marked, widget_head

LETTERS = "ABCDEF"
NONE_OF = N_("{name!r} is none of the choices: {known}")


@dataclass(slots=True, repr=False)
class Score(ShownAs):
    """How good the bets of this session were. A bet made anew replaces the older one."""

    bets: dict[str, tuple[bool, bool]] = field(default_factory=dict)  # question: (right, sure)

    def count(self, sure: bool) -> tuple[int, int]:
        """(right, all) of the bets made with this confidence."""
        rights = [right for right, was_sure in self.bets.values() if was_sure is sure]
        return sum(rights), len(rights)

    @property
    def words(self) -> tuple[str, ...]:
        if not self.bets:
            return ()
        sure_right, sure = self.count(True)
        guess_right, guesses = self.count(False)
        line = _("Bets right: {right} of {all}", right=sure_right + guess_right, all=sure + guesses)
        each = [
            _("sure: {right} of {all}", right=sure_right, all=sure) if sure else "",
            _("guesses: {right} of {all}", right=guess_right, all=guesses) if guesses else "",
        ]
        lines = [f"{line} ({'; '.join(filter(None, each))})."]
        surprises = [q for q, (right, was_sure) in self.bets.items() if was_sure and not right]
        if surprises:
            lines.append(_("Sure, and surprised: worth a second look."))
            lines += [f"– {question}" for question in surprises]
        elif guesses and guess_right == guesses:
            lines.append(_("Every guess was right: you know more than you think."))
        return tuple(lines)

    @property
    def shown_as(self) -> Callout:
        none = (_("None yet. A bet costs one click, and makes you see more."),)
        return Callout(_("Your bets"), self.words or none)


SCORE = Score()
LATEST: dict[str, Prediction] = {}  # question -> its widget that was made last


class Prediction(WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """One question with its buttons. `at_once`: the click itself reveals, as in a recap quiz."""

    def __init__(
        self,
        question: str,
        choices: Mapping[str, str],
        answer: str,
        why: str,
        *,
        at_once: bool = False,
    ) -> None:
        if answer not in choices:
            raise NoneSuch(NONE_OF, answer, choices)
        self.question, self.nudges, self.answer, self.why = question, dict(choices), answer, why
        self.at_once = at_once
        self.choice: str | None = None
        self.sure = False
        self.revealed = False
        self._buttons: dict[tuple[str, bool], ipywidgets.Button] = {}
        self._status = ipywidgets.HTML()
        rows = [self._row(letter, choice) for letter, choice in zip(LETTERS, choices, strict=False)]
        asked = ipywidgets.HTML(
            f"{widget_head()}<b style='font-size:1.25em'>{marked(question)}</b>"
        )
        super().__init__([asked, *rows, self._status])
        self._say(_("Choose: one click.") if at_once else _("Place your bet: one click."))
        self._keep_former()

    def _keep_former(self) -> None:
        """A click selects the cell and Shift+Enter runs it again: a bet not yet revealed stands."""
        former = LATEST.get(self.question)
        LATEST[self.question] = self
        if former is not None and former.choice in self.nudges and not former.revealed:
            self.bet(former.choice, sure=former.sure)

    def _row(self, letter: str, choice: str) -> ipywidgets.HBox:
        for sure, word in ((True, _("I am sure")), (False, _("I guess"))):
            button = ipywidgets.Button(
                description=f"{letter}: {word}", tooltip=f"{choice} – {word}"
            )
            button.layout.width = "10em"
            button.on_click(lambda _button, sure=sure: self.bet(choice, sure=sure))
            self._buttons[choice, sure] = button
        text = f"<span style='font-size:1.15em'><b>{letter}</b>&ensp;{marked(choice)}</span>"
        words = ipywidgets.HTML(text, layout=ipywidgets.Layout(min_width="16em", flex="1"))
        both = [self._buttons[choice, True], self._buttons[choice, False]]
        layout = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
        return ipywidgets.HBox([*both, words], layout=layout)

    def _say(self, text: str) -> None:
        self._status.value = f"<span role='status' style='font-size:1.1em'>{marked(text)}</span>"

    def bet(self, choice: str, *, sure: bool = False) -> None:
        """What a click does. It may be changed until the reveal; after it, nothing counts."""
        if choice not in self.nudges:
            raise NoneSuch(NONE_OF, choice, self.nudges)
        if self.revealed:
            why = [self.why] if self.at_once else []
            self._say(
                "\n".join([self._verdict(choice), *why, _("(After the reveal: not counted.)")])
            )
            return
        self.choice, self.sure = choice, sure
        for (other, with_sure), button in self._buttons.items():
            mine = other == choice and with_sure is sure
            button.icon, button.button_style = ("check", "primary") if mine else ("", "")
        if self.at_once:
            self.reveal()
        else:
            how = _("sure") if sure else _("a guess")
            letter = self._letter(choice)
            self._say(_("✔ Your bet: {letter}, {how}. Now go on.", letter=letter, how=how))

    def _letter(self, choice: str) -> str:
        return LETTERS[list(self.nudges).index(choice)]

    def _verdict(self, choice: str | None) -> str:
        answer = f"{self._letter(self.answer)}: {self.answer}"
        if choice is None:
            return _("No bet this time. The answer is {answer}", answer=answer)
        if choice == self.answer:
            return _("✔ Right. {answer}", answer=answer)
        nudge = self.nudges[choice]
        verdict = _("✘ You said {letter}. It is {answer}")
        return f"{verdict.format(letter=self._letter(choice), answer=answer)}\n{nudge}".rstrip()

    def reveal(self) -> Callout:
        """The answer and why; counts the bet, if there was one."""
        if self.choice is not None and not self.revealed:
            SCORE.bets[self.question] = (self.choice == self.answer, self.sure)
        self.revealed = True
        title, *nudge = self._verdict(self.choice).splitlines()
        said = Callout(title, (*nudge, self.why, *SCORE.words[:1]))
        if self.at_once:
            self._say("\n".join((title, *nudge, self.why, *SCORE.words[:1])))
        else:
            self._say(title if self.choice else _("Answered below. You made no bet."))
        return said

    # -- forms -----------------------------------------------------------------------
    def __repr__(self) -> str:
        rows = [f"  {self._letter(choice)}  {choice}" for choice in self.nudges]
        return "\n".join((self.question, *rows))

    def _repr_html_(self) -> str:
        """What stands on a page without a kernel: the question, and its answer folded."""
        rows = "".join(f"<li>{marked(choice)}</li>" for choice in self.nudges)
        return (
            f"<p><b>{marked(self.question)}</b></p>"
            f"<ol style='list-style-type:upper-alpha'>{rows}</ol>"
            f"<details><summary>{_('Answer')}</summary>{marked(self.answer)}<br>"
            f"{marked(self.why)}</details>"
        )


def predict(
    question: str, choices: Mapping[str, str] | Sequence[str], answer: str, why: str
) -> Prediction:
    """Ask for a bet. `choices`: texts, or text -> what to say to those who choose it wrongly.

    >>> bet = predict("How many managers make a quorum of 3?", ["1", "2", "3"], "2", "3 // 2 + 1")
    >>> bet.reveal()
    No bet this time. The answer is B: 2
    3 // 2 + 1
    """
    named = choices if isinstance(choices, Mapping) else dict.fromkeys(choices, "")
    return Prediction(question, named, answer, why)


@cache
def questions() -> dict[str, dict[str, Any]]:
    """The bank: name -> question, choices (each with its nudge), answer, why."""
    bank = yaml.safe_load(Path(__file__).with_name("questions.yml").read_text("utf-8"))
    return {name: {**entry, "answer": str(entry["answer"])} for name, entry in bank.items()}


def _made(name: str, at_once: bool) -> Prediction:
    if name not in questions():
        raise NoneSuch("there is no question {name!r}; there are {known}", name, questions())
    entry = questions()[name]
    choices = {_(str(choice)): _(nudge or "") for choice, nudge in entry["choices"].items()}
    question, answer, why = (_(entry[key]) for key in ("question", "answer", "why"))
    return Prediction(question, choices, answer, why, at_once=at_once)


class Questions(WithStaticForms, ipywidgets.VBox):  # type: ignore[misc]
    """Several questions, one below the other."""

    def reveal(self) -> Callout:
        """All answers, in one go."""
        for question in self.children:
            question.reveal()
        # Revealing a question counts its bet.
        said: list[Callout] = [question.reveal() for question in self.children]
        if len(said) == 1:
            return said[0]
        count, lines = SCORE.words[:1], list[str]()
        for question, one in zip(self.children, said, strict=True):
            lines += [f"**{question.question}**", one.title, *one.lines]
        return Callout(_("Your bets"), (*(line for line in lines if line not in count), *count))

    def __repr__(self) -> str:
        return "\n\n".join(repr(question) for question in self.children)

    def _repr_html_(self) -> str:
        return "".join(question._repr_html_() for question in self.children)


def ask(*names: str) -> Questions:
    """Questions of the bank, to be revealed later. Lesson: 00_start_here."""
    return Questions([_made(name, at_once=False) for name in names])


def quiz(*names: str) -> Questions:
    """A recap: questions of the bank, each revealed by its click. Lesson: 00_start_here."""
    return Questions([_made(name, at_once=True) for name in names])


def score() -> Score:
    """How good the bets were so far; shown, it is always up to date. Lesson: 00_start_here."""
    return SCORE
