"""The `swarmlab` command: its subcommands, those of a module of their own first."""

from __future__ import annotations

import gettext
import inspect
import json
import sys
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import click

from swarmlab import strings
from swarmlab.cli.classroom import classroom
from swarmlab.cli.ctl import ctl
from swarmlab.cli.docker_command import docker_command
from swarmlab.cli.notebooks import lab, pages
from swarmlab.cli.present import present
from swarmlab.cli.rehearse import rehearse, scenes
from swarmlab.cli.serve import serve
from swarmlab.cli.wheels import wheels
from swarmlab.errors import LabError
from swarmlab.strings import _

swarmlab = click.Group(
    help="Docker Swarm mode, live and simulated.",
    commands=[lab, present, rehearse, scenes, pages, wheels, classroom, serve, ctl, docker_command],
)


@swarmlab.command()
@click.argument("scenarios", metavar="[SCENARIO]...", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="Show the scenarios, and play none.")
@click.option("--recorded", is_flag=True, help="With what real engines did: needs no Docker.")
def compare(scenarios: tuple[str, ...], only_list: bool, recorded: bool) -> int:
    """Play scenarios (all, when none is named) on simulated and on real engines.

    Shows each on both sides, then a line each; the exit code is 1 when anything differs.
    """
    from swarmlab.cluster.factory import launch
    from swarmlab.compare.comparison import Comparisons, compare_one
    from swarmlab.compare.scenario import chosen
    from swarmlab.compare.scenario import scenarios as all_scenarios

    names = chosen(scenarios)
    if only_list:
        for name in names:
            print(f"{name:20} {_(all_scenarios()[name]['about'])}")
        return 0
    comparisons = []
    for name in names:
        comparisons.append(compare_one(name, None if recorded else launch))
        print(comparisons[-1], end="\n\n", flush=True)
    summary = Comparisons(tuple(comparisons))
    print(summary)
    return 0 if summary.agree == len(comparisons) else 1


@swarmlab.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--all", "everyone", is_flag=True, help="What other users launched, too.")
def clean(yes: bool, everyone: bool) -> None:
    """List the real engines that launches left, ask, and remove those of this user."""
    from swarmlab.real import engines
    from swarmlab.real.hosts import client_for_host

    mine, chosen = engines.owner(), []
    for found in engines.find(client_for_host()):
        owner = engines.labels_of(found).get(engines.OWNER)
        chosen += [found] if everyone or owner == mine else []
        by = _("launched by {user}", user=owner or _("an unknown user"))
        whose = _("yours") if owner == mine else by
        stays = "" if everyone or owner == mine else _("; stays, unless --all is given")
        print(f"{type(found).__name__.lower():10} {found.name}: {whose}{stays}")
    if not chosen:
        print(_("there is nothing of yours to remove"))
    elif not yes and not click.confirm(_("Remove {n} of these?", n=len(chosen))):
        raise LabError("nothing was removed")
    for found in chosen:
        engines.remove_found(found)
        print(_("removed {name}", name=f"{type(found).__name__.lower()} {found.name}"))


@swarmlab.command("bench")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--times", default=3, show_default=True, help="Runs, of which the median counts.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def run_bench(names: tuple[str, ...], times: int, wants_json: bool) -> None:
    """Measure how fast the simulation is (all but what takes minutes, when none is named).

    The figures are processor time; a heap event is one round of a bare event loop beside it.
    """
    from swarmlab.cli import bench

    results = bench.measure_all(names, times)
    print(json.dumps(results, indent=1) if wants_json else bench.table(results))


def translate(command: click.Command) -> click.Command:
    """Put its help, and that of its subcommands, into the user's language."""
    helped: list[Any] = [command, *command.params]
    for one in helped:
        if getattr(one, "help", None):
            one.help = _(inspect.cleandoc(one.help))
    command.epilog = command.epilog and _(command.epilog)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        translate(below)
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code: 0, 1 when it was refused, 2 when it was not understood."""
    gettext.bindtextdomain(strings.DOMAIN, strings.FOLDER)
    gettext.textdomain(strings.DOMAIN)  # in which click looks for its own words
    try:
        command = translate(deepcopy(swarmlab))
        code: int | None = command.main(argv, "swarmlab", standalone_mode=False)
        return code or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except LabError as error:
        print(f"swarmlab: {error}", file=sys.stderr)
        return 1
    except click.Abort:
        print("swarmlab:", _("stopped, without an answer"), file=sys.stderr)
        return 130
