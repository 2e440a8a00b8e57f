"""The `swarmlab` command: `lab` opens the notebooks, `serve` answers Docker's own tools, and `ctl`
breaks and mends what is served.

`ctl` and the server speak over a UNIX socket, one line of JSON each way: what is asked as
`{"words": ["crash", "m1"]}` is answered with `{"said": "…"}` or `{"error": "…"}`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from swarmlab.errors import LabError

PACKAGE = Path(__file__).parents[1]
FIRST_NOTEBOOK = "00_start_here.ipynb"
CTL_TIMEOUT_S = 120.0

CTL_WORDS = """\
crash NODE            power fails at NODE
start NODE            NODE starts again
stop NODE             NODE is shut down in good order
partition A,B C,D,E   only nodes of one group hear each other
heal                  all nodes hear each other again
speed X               X simulated seconds pass in one of ours
run 30s               30 simulated seconds pass now
status                the nodes, and what time it is"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code: 0, 1 when it was refused, 2 when it was not understood."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["docker"]:  # all that follows is docker's, `--help` and `-H` included
        from swarmlab.cli import docker_command

        try:
            return docker_command.main(words[1:], default_dir())
        except KeyboardInterrupt:
            return 130
    parser = command_line()
    options, rest = parser.parse_known_args(words)
    if rest and options.command != "lab":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if options.command == "lab":
            return lab(options.folder, rest)
        if options.command == "serve":
            from swarmlab.cli.serve import serve

            return serve(options)
        if options.command == "pages":
            from swarmlab.cli import pages

            for page in pages.build(sorted(notebooks().glob("*.ipynb")), options.into):
                print(page)
            return 0
        if options.command == "bench":
            from swarmlab.cli import bench

            print(bench.scheduler())
            return 0
        if options.command == "clean":
            return clean()
        if options.command == "compare":
            return compare(options.scenarios, recorded=options.recorded, listed=options.list)
        print(ask(options.dir, options.words))
    except LabError as refusal:
        print(f"swarmlab {options.command}: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="swarmlab", description="Docker Swarm mode, live and simulated."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    lab = commands.add_parser(
        "lab",
        help="open JupyterLab on the notebooks",
        epilog="Every other option, such as --no-browser or --port=9999, goes to JupyterLab.",
    )
    lab.add_argument("--folder", type=Path, help="copy the notebooks there and open the copies")

    serve = commands.add_parser("serve", help="serve a simulated cluster to Docker's own tools")
    serve.add_argument("--managers", type=int, help="how many managers the swarm has (3)")
    serve.add_argument("--workers", type=int, help="how many workers the swarm has (2)")
    serve.add_argument("--engines", help="names of engines in no swarm, such as m1,m2,w1")
    serve.add_argument("--dir", type=Path, default=default_dir(), help="for sockets (%(default)s)")
    serve.add_argument("--speed", type=float, default=1.0, help="simulated seconds a second (1)")
    serve.add_argument("--seed", type=int, default=7, help="equal seeds, equal chance (7)")

    ctl = commands.add_parser(
        "ctl",
        help="crash, start, stop, partition, heal what is served",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=CTL_WORDS,
    )
    ctl.add_argument("--dir", type=Path, default=default_dir(), help="as given to `swarmlab serve`")
    ctl.add_argument("words", nargs="+", metavar="WORD", help="what to do, see below")
    commands.add_parser("docker", help="Docker's command line, for machines without it")
    pages = commands.add_parser("pages", help="run the notebooks, and write them as web pages")
    pages.add_argument("--into", type=Path, default=Path("swarmlab-pages"), help="(%(default)s)")
    compare = commands.add_parser(
        "compare", help="play scenarios on simulated and on real engines, and show what differs"
    )
    compare.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="all, when none is named")
    compare.add_argument("--list", action="store_true", help="show the scenarios, and play none")
    compare.add_argument(
        "--recorded", action="store_true", help="against what real engines did: needs no Docker"
    )
    commands.add_parser("clean", help="remove real engines that a crash left behind")
    bench = commands.add_parser("bench", help="measure; compare with SwarmKit's own benchmarks")
    bench.add_argument("what", choices=["scheduler"], help="what to measure")
    return parser


def default_dir() -> Path:
    return Path(tempfile.gettempdir()) / "swarmlab"


# -- lab -----------------------------------------------------------------------------------------
def lab(folder: Path | None, options: Sequence[str]) -> int:
    """Open JupyterLab on the first notebook: in a checkout in place, else on copies."""
    opened = kit = notebooks()
    if folder is not None or kit.name == "_notebooks":
        opened = (folder or Path("swarmlab-notebooks")).absolute()
        kept = copy_notebooks(kit, opened)
        print(f"The notebooks are in {opened}")
        if kept:
            print(f"Left as you changed them: {', '.join(kept)}")
    from jupyterlab.labapp import LabApp

    # Settings of ours that spare newcomers JupyterLab's questions; the user's own still win.
    paths = [os.environ.get("JUPYTER_CONFIG_PATH"), str(PACKAGE / "jupyter")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(path for path in paths if path)
    # In a container or a classroom's machine one often is root, which JupyterLab refuses by itself.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    LabApp.launch_instance([str(opened / FIRST_NOTEBOOK), *root, *options])
    return 0


def notebooks() -> Path:
    """The folder of the notebooks: the checkout's, else what an installed package carries."""
    checkout = PACKAGE.parent / "notebooks"
    in_checkout = (PACKAGE.parent / "pyproject.toml").exists() and checkout.is_dir()
    return checkout if in_checkout else PACKAGE / "_notebooks"


def copy_notebooks(source: Path, target: Path) -> list[str]:
    """Copy what `target` lacks; the names of files there that differ, which are left alone."""
    kept = []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if not path.is_file() or ".ipynb_checkpoints" in name.parts:
            continue
        copied = target / name
        if not copied.exists():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)
        elif copied.read_bytes() != path.read_bytes():
            kept.append(str(name))
    return kept


# -- compare ---------------------------------------------------------------------------------------
def compare(names: Sequence[str], *, recorded: bool, listed: bool) -> int:
    """Show each scenario on both sides, then a line each; 1 when anything differs."""
    from swarmlab.cluster.factory import launch
    from swarmlab.compare.comparison import chosen, compare_one, scenarios
    from swarmlab.views.side_by_side import Comparisons

    played = []
    for name in chosen(names):
        if listed:
            print(f"{name:20} {scenarios()[name]['about']}")
            continue
        played.append(compare_one(name, None if recorded else launch))
        print(played[-1], end="\n\n", flush=True)
    whole = Comparisons(tuple(played))
    print(whole if played else "", end="\n" if played else "")
    return 0 if whole.agree == len(played) else 1


# -- clean -----------------------------------------------------------------------------------------
def clean() -> int:
    """Remove everything on this Docker that carries the kit's label, and say what that was."""
    from swarmlab.real import engines, hosts

    removed = engines.remove(hosts.reach())
    print("\n".join(f"removed {name}" for name in removed) or "nothing of swarmlab's is here")
    return 0


# -- ctl -----------------------------------------------------------------------------------------
def ask(folder: Path, words: Sequence[str]) -> str:
    """What the server in `folder` says to these words; LabError when it refuses or is not there."""
    path = folder / "ctl.sock"
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(CTL_TIMEOUT_S)
        try:
            control.connect(str(path))
        except OSError as error:
            raise LabError(
                "nothing is served in {folder} ({error}); "
                "start it with: swarmlab serve --dir {folder}",
                folder=folder,
                error=error.strerror or error,
            ) from None
        with control.makefile("rw", encoding="utf-8") as lines:
            lines.write(json.dumps({"words": list(words)}) + "\n")
            lines.flush()
            line = lines.readline()
    if not line:
        raise LabError("the server in {folder} went away without an answer", folder=folder)
    answer: dict[str, str] = json.loads(line)
    if "error" in answer:
        raise LabError(answer["error"])
    return answer["said"]
