"""Programs that show and change files. Source: busybox coreutils, findutils."""

from __future__ import annotations

import re
import stat
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from posixpath import basename, join

from swarmlab.programs.base_files import name_of
from swarmlab.programs.file_system import FOLDER, TREE_BYTES_MAX, FileError, above
from swarmlab.programs.interface import Options, ProgramProcess, each, read_texts
from swarmlab.simulation import EPOCH_NS, S

ACCESS, SHIFTS = {"r": 4, "w": 2, "x": 1}, {"u": 6, "g": 3, "o": 0}


def cat(process: ProgramProcess, options: Options, args: list[str]) -> int | None:
    while not args:
        if not (piece := process.input.some()):
            return 0
        process.write(1, piece.decode(errors="surrogateescape"))
    texts, status = read_texts(process, args, "can't open '{}'")
    process.write(1, "".join(texts))
    return status


def ls(process: ProgramProcess, options: Options, args: list[str]) -> int:
    files, user, status = process.container.files, process.user, 0
    plain, sections = "", list[str]()
    waiting = sorted(args, reverse=True) or ["."]
    while waiting:
        name = waiting.pop()
        try:
            if not files.look(process.path(name), user).is_folder or "d" in options:
                plain += _row(process, options, "", name)
                continue
            names = files.names(process.path(name), user)
        except FileError as error:
            process.error(f"{name}: {error}")
            status = 1
            continue
        shown = [entry for entry in names if entry[0] != "." or {*"aA"} & {*options}]
        title = f"{name}:\n" if len(args) > 1 or "R" in options else ""
        title += f"total {4 * len(shown)}\n" if "l" in options else ""
        sections.append(title + "".join(_row(process, options, name, entry) for entry in shown))
        if "R" in options:
            below = (join(name, entry) for entry in reversed(shown))
            waiting += [path for path in below if files[process.path(path)].is_folder]
    process.write(1, "\n".join([plain, *sections] if plain else sections))
    return status


def _row(process: ProgramProcess, options: Options, folder: str, name: str) -> str:
    """A file as a line of `ls`."""
    if "l" not in options:
        return f"{name}\n"
    files = process.container.files
    file = files[process.path(join(folder, name))]
    mode = stat.filemode(file.mode if file.is_folder else file.mode | stat.S_IFREG)
    user, group = name_of(files, file.uid, "passwd"), name_of(files, file.gid, "group")
    at = datetime.fromtimestamp((EPOCH_NS + file.changed_ns) // S, UTC)
    size = 4096 if file.is_folder else len(file.data)
    links = 1 + file.is_folder
    return f"{mode} {links:4} {user:<8.8} {group:<8.8} {size:9} {at:%b %e %H:%M} {name}\n"


def find(process: ProgramProcess, options: Options, args: list[str]) -> int:
    """`find [PATH]... [-name PATTERN] [-type f|d] [-exec COMMAND {} ;]`."""
    start = next((index for index, arg in enumerate(args) if arg[:1] == "-"), len(args))
    names, tests, command = args[:start] or ["."], args[start:], list[str]()
    if "-exec" in tests:
        tests, command = tests[: tests.index("-exec")], tests[tests.index("-exec") + 1 : -1]
    wanted = dict(zip(tests[::2], tests[1::2], strict=True))
    if unknown := wanted.keys() - {"-name", "-type"}:
        raise FileError(f"unrecognized: {min(unknown)}")
    found: list[str] = []
    files, user = process.container.files, process.user
    for name in names:
        try:
            for path in files.walk(process.path(name), user):
                same_type = wanted.get("-type", "df").find("fd"[files[path].is_folder]) >= 0
                if same_type and fnmatchcase(basename(path), wanted.get("-name", "*")):
                    found.append(name + path[len(process.path(name)) :])
        except FileError as error:
            process.error(f"{name}: {error}")
    process.write(1, "" if command else "".join(f"{path}\n" for path in found))
    process.run_each([[w.replace("{}", path) for w in command] for path in found if command])
    return 0


def df(process: ProgramProcess, options: Options, args: list[str]) -> int:
    process.write(1, "Filesystem           1K-blocks      Used Available Use% Mounted on\n")
    for target, (point, tree) in process.container.files.mounts.items():
        total = TREE_BYTES_MAX >> 10
        used = sum(len(file.data) for file in tree.values()) >> 10
        share = f"{100 * used // total}% {target or '/'}"
        process.write(1, f"{point.device:<20} {total:10} {used:9} {total - used:9} {share:>4}\n")
    return 0


def mount(process: ProgramProcess, options: Options, args: list[str]) -> int:
    for target, (point, _) in process.container.files.mounts.items():
        kind = "ext4" if "/" in point.device else point.device
        flags = "ro" if point.read_only else "rw"
        process.write(1, f"{point.device} on {target or '/'} type {kind} ({flags},relatime)\n")
    return 0


# -- changes: each file is changed by one call -------------------------------------------
def touch(process: ProgramProcess, options: Options, args: list[str]) -> int:
    files, user = process.container.files, process.user
    new = [name for name in args if process.path(name) not in files]
    return each(process, "{}", new, lambda path: files.write(path, b"", user))


def mkdir(process: ProgramProcess, options: Options, args: list[str]) -> int:
    files, user = process.container.files, process.user
    folder = FOLDER._replace(mode=stat.S_IFDIR | int(options.get("m", "755"), 8))

    def make(path: str) -> None:
        if "p" not in options and path in files:
            raise FileError("File exists")
        for place in (*(above(files.normal(path)) if "p" in options else ()), path):
            if place not in files:
                files.put(place, folder, user)

    return each(process, "can't create directory '{}'", args, make)


def rm(process: ProgramProcess, options: Options, args: list[str]) -> int:
    files, user = process.container.files, process.user
    recursive = bool({*"rR"} & {*options})

    def remove(path: str) -> None:
        if files.look(path, user).is_folder and not recursive:
            raise FileError("Is a directory")
        for below in reversed([*files.walk(path, user)]):
            files.remove(below, user)

    there = [name for name in args if "f" not in options or process.path(name) in files]
    return each(process, "can't remove '{}'", there, remove)


def rmdir(process: ProgramProcess, options: Options, args: list[str]) -> int:
    files, user = process.container.files, process.user
    return each(process, "'{}'", args, lambda path: files.remove(path, user))


def chmod(process: ProgramProcess, options: Options, args: list[str]) -> int:
    """`chmod 640 FILE...`, `chmod u+x,go-w FILE...`."""
    files, user = process.container.files, process.user
    recursive, text, *names = args if args[0] == "-R" else ("", *args)
    if not re.fullmatch(r"[0-7]{1,4}|([ugoa]*[-+=][rwx]*,?)+", text):
        raise FileError(f"invalid mode '{text}'")

    def change(top: str) -> None:
        for path in files.walk(top, user) if recursive else [top]:
            mode = int(text, 8) if text.isdigit() else files.look(path, user).mode & 0o7777
            for who, sign, letters in re.findall("([ugoa]*)([-+=])([rwx]*)", text):
                access = sum(bit for letter, bit in ACCESS.items() if letter in letters)
                for shift in [s for place, s in SHIFTS.items() if not who or {*who} & {place, "a"}]:
                    mode &= ~((access if sign == "-" else 7 * (sign == "=")) << shift)
                    mode |= access << shift if sign != "-" else 0
            files.change_mode(path, mode, user)

    return each(process, "{}", names, change)


def copy(verb: str, process: ProgramProcess, options: Options, args: list[str]) -> int:
    """`cp`, `mv` and `ln`: a link is a copy here."""
    *sources, target = args
    files, user = process.container.files, process.user
    into = process.path(target) in files and files[process.path(target)].is_folder

    def transfer(path: str) -> None:
        if files.look(path, user).is_folder and verb == "stat" and not {*"rRa"} & {*options}:
            raise FileError("Is a directory")
        to = process.path(join(target, basename(path)) if into else target)
        paths = [*files.walk(path, user)]
        for below in paths:
            file = files.look(below, user)
            copied = file if file.is_folder else file._replace(data=files.read(below, user))
            files.put(to + below[len(path) :], copied, user)
        for below in reversed(paths) if verb == "rename" else ():
            files.remove(below, user)

    return each(process, f"can't {verb} '{{}}'", sources, transfer)


def tee(process: ProgramProcess, options: Options, args: list[str]) -> int:
    files, user, data = process.container.files, process.user, process.input.all()
    process.write(1, data.decode(errors="surrogateescape"))
    return each(process, "{}", args, lambda p: files.write(p, data, user, append="a" in options))
