"""The `swarmlab` command: its subcommands, their options, and the functions that carry them out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmlab.cli import bench, ctl, docker_command, pages
from swarmlab.cli.lab import lab, notebooks
from swarmlab.cli.serve import serve
from swarmlab.cli.socket_folder import default_folder
from swarmlab.errors import LabError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code: 0, 1 when it was refused, 2 when it was not understood."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["docker"]:  # all that follows is docker's, `--help` and `-H` included
            return docker_command.main(words[1:], default_folder())
        parser = command_line()
        options, rest = parser.parse_known_args(words, argparse.Namespace())
        if rest and options.command != "lab":
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        options.rest = rest
        code: int = options.run(options)
        return code
    except LabError as error:
        print(f"swarmlab {words[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def command_line() -> argparse.ArgumentParser:
    """The parser; each subcommand's `run` is the function that carries it out."""
    parser = argparse.ArgumentParser(
        prog="swarmlab", description="Docker Swarm mode, live and simulated."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser(
        "lab",
        help="open JupyterLab on the notebooks",
        epilog="Every other option, such as --no-browser or --port=9999, goes to JupyterLab.",
    )
    command.add_argument("--folder", type=Path, help="copy the notebooks there and open the copies")
    command.set_defaults(run=lab)

    _add_serving(commands)
    commands.add_parser("docker", help="Docker's command line, for machines without it")

    command = commands.add_parser("pages", help="run the notebooks, and write them as web pages")
    command.add_argument("--into", type=Path, default=Path("swarmlab-pages"), help="(%(default)s)")
    command.set_defaults(run=run_pages)

    command = commands.add_parser(
        "compare", help="play scenarios on simulated and on real engines, and show what differs"
    )
    command.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="all, when none is named")
    command.add_argument("--list", action="store_true", help="show the scenarios, and play none")
    command.add_argument(
        "--recorded", action="store_true", help="against what real engines did: needs no Docker"
    )
    command.set_defaults(run=run_compare)

    command = commands.add_parser("clean", help="remove real engines that a crash left behind")
    command.set_defaults(run=run_clean)

    command = commands.add_parser("bench", help="measure; compare with SwarmKit's own benchmarks")
    command.add_argument("what", choices=["scheduler"], help="what to measure")
    command.set_defaults(run=run_bench)
    return parser


def _add_serving(commands: Any) -> None:
    """The subcommands `serve` and `ctl`."""
    command = commands.add_parser("serve", help="serve a simulated cluster to Docker's own tools")
    command.add_argument("--managers", type=int, help="how many managers the swarm has (3)")
    command.add_argument("--workers", type=int, help="how many workers the swarm has (2)")
    command.add_argument("--engines", help="names of engines in no swarm, such as m1,m2,w1")
    command.add_argument(
        "--dir", type=Path, default=default_folder(), help="for sockets (%(default)s)"
    )
    command.add_argument("--speed", type=float, default=1.0, help="simulated seconds a second (1)")
    command.add_argument("--seed", type=int, default=7, help="equal seeds, equal chance (7)")
    command.set_defaults(run=serve)

    command = commands.add_parser(
        "ctl",
        help="crash, start, stop, partition, heal what is served",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=ctl.HELP,
    )
    command.add_argument(
        "--dir", type=Path, default=default_folder(), help="as given to `swarmlab serve`"
    )
    command.add_argument("words", nargs="+", metavar="WORD", help="what to do, see below")
    command.set_defaults(run=run_ctl)


def run_ctl(options: argparse.Namespace) -> int:
    print(ctl.ask(options.dir, options.words))
    return 0


def run_pages(options: argparse.Namespace) -> int:
    for page in pages.build(sorted(notebooks().glob("*.ipynb")), options.into):
        print(page)
    return 0


def run_bench(_options: argparse.Namespace) -> int:
    print(bench.scheduler())
    return 0


def run_clean(_options: argparse.Namespace) -> int:
    """Remove and name everything on this Docker that carries the kit's label."""
    from swarmlab.real import engines
    from swarmlab.real.hosts import client_for_host

    removed = engines.remove(client_for_host())
    print("\n".join(f"removed {name}" for name in removed) or "nothing of swarmlab's is here")
    return 0


def run_compare(options: argparse.Namespace) -> int:
    """Show each scenario on both sides, then a line each; 1 when anything differs."""
    from swarmlab.cluster.factory import launch
    from swarmlab.compare.comparison import Comparisons, compare_one
    from swarmlab.compare.scenario import chosen, scenarios

    names = chosen(options.scenarios)
    if options.list:
        for name in names:
            print(f"{name:20} {scenarios()[name]['about']}")
        return 0
    comparisons = []
    for name in names:
        comparisons.append(compare_one(name, None if options.recorded else launch))
        print(comparisons[-1], end="\n\n", flush=True)
    summary = Comparisons(tuple(comparisons))
    print(summary)
    return 0 if summary.agree == len(comparisons) else 1
