"""`swarmlab rehearse`, for the evening before a talk; `swarmlab scenes`, when a page changed."""

from __future__ import annotations

import click

from swarmlab.cli.notebooks import language_option
from swarmlab.errors import LabError
from swarmlab.strings import _


def chosen(names: tuple[str, ...], everything: bool) -> list[str]:
    """The pages of these names or numbers, or all."""
    from swarmlab.lessons.course_map import pages
    from swarmlab.lessons.run_of_show import page_named

    if bool(names) == everything:
        raise LabError("name pages, such as 05 or 05_quorum, or give --all")
    return pages() if everything else [*map(page_named, names)]


@click.command()
@language_option
@click.argument("names", metavar="[PAGE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All pages.")
@click.option("--minutes", type=int, help="Only what this run of show shows: 30, 45, 60 or 90.")
def rehearse(names: tuple[str, ...], everything: bool, minutes: int | None) -> int:
    """Play all steps by itself; tell what fails, and what needs more minutes than it has.

    A step needs the time to say its notes, at 130 words a minute, to run its cells, and 20 seconds
    for each bet. The exit code is 1 when something is wrong.
    """
    from swarmlab.cli import rehearsal

    needed, planned, wrong = 0.0, 0.0, 0
    for page in chosen(names, everything):
        for played in rehearsal.rehearse(page, minutes):
            step = played.step
            shares = {n: share for n, share in step.minutes.items() if minutes in (None, n)}
            late = [(n, share) for n, share in shares.items() if share < played.minutes]
            short = _("too short in the run of {n} minutes, which gives it {share:g}")
            problems = [short.format(n=n, share=share) for n, share in late]
            takes = _("{minutes:5.1f} minutes", minutes=played.minutes)
            print(f"{step.scene or step.page[:2]:14}{takes}  {step.title}")
            for problem in [*played.failures, *problems]:
                print(f"    {problem}", flush=True)
                wrong += 1
            needed += played.minutes if shares else 0
            planned += max(shares.values(), default=0)
    text = _("{needed:.1f} of {planned:.1f} minutes are needed", needed=needed, planned=planned)
    print(text, _("1 problem", "{n} problems", n=wrong), sep="; ")
    return 1 if wrong else 0


@click.command()
@click.argument("names", metavar="[PAGE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All pages.")
def scenes(names: tuple[str, ...], everything: bool) -> None:
    """Make the scenes of pages: the states in which their steps begin. For authors of pages.

    A cell whose step begins in a state of its own names it in its metadata.
    """
    from swarmlab.cli.rehearsal import save_scenes

    for page in chosen(names, everything):
        print(
            _("{page}: 1 scene", "{page}: {n} scenes", page=page, n=save_scenes(page)), flush=True
        )
