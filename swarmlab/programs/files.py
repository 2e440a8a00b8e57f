"""Programs that read and change files."""

from __future__ import annotations

from swarmlab.programs.file_system import File
from swarmlab.programs.interface import ROOT, ProgramProcess


def read_input(process: ProgramProcess, names: list[str]) -> str | None:
    """The text of the files, or without files the input; None if one cannot be read."""
    if not names:
        return process.input.decode(errors="surrogateescape")
    texts = [process.read(name) for name in names]
    return None if None in texts else "".join(text or "" for text in texts)


def cat(process: ProgramProcess, args: list[str]) -> int | None:
    if not args and process.interactive and not process.input:
        return None
    text = read_input(process, args)
    process.write(1, text or "")
    return int(text is None)


def ls(process: ProgramProcess, args: list[str]) -> int:
    name = next((arg for arg in args if not arg.startswith("-")), "")
    path = process.path(name)
    prefix, files = path.rstrip("/") + "/", process.container.files
    names = {file[len(prefix) :].split("/")[0] for file in files if file.startswith(prefix)}
    names |= {name} if path in files else set(ROOT) if path == "/" else set()
    if not names and path[1:] not in ROOT:
        process.write(2, f"ls: {name}: No such file or directory\n")
        return 1
    process.write(1, "".join(f"{entry}\n" for entry in sorted(names)))
    return 0


def touch(process: ProgramProcess, args: list[str]) -> int:
    for name in args:
        process.container.files.setdefault(process.path(name), File(b"", uid=process.uid))
    return 0


def rm(process: ProgramProcess, args: list[str]) -> int:
    for name in [arg for arg in args if not arg.startswith("-")]:
        path = process.path(name)
        reason = "Resource busy" if path.startswith("/run/secrets/") else ""
        if not reason and process.container.files.pop(path, None) is None and name == args[0]:
            reason = "No such file or directory"
        if reason:
            process.write(2, f"rm: can't remove '{name}': {reason}\n")
            return 1
    return 0
