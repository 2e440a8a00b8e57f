"""The translated notebooks: `python -m tests.translations COMMAND`.

    faults             what is wrong with them: cells that differ from the English ones in more
                       than their language, cells whose English source has changed since, words
    stamp [PAGE…]      note in each cell (of these pages) which English source it translates

In `metadata.translates` a translated cell keeps a hash of the English texts that it translates. So
whoever changes an English cell hears of its translation, which is then read again, and stamped.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
GLOSSARY = "GLOSSARIO.md"
SPOKEN = ("notes", "ask", "wrong", "trouble")  # of the metadata: translated, the rest is not
Cell = dict[str, Any]


def languages() -> list[Path]:
    """The folders of translated notebooks."""
    return sorted(path.parent for path in NOTEBOOKS.glob("*/00_start_here.ipynb"))


def cells_of(path: Path) -> list[Cell]:
    cells: list[Cell] = json.loads(path.read_text("utf-8"))["cells"]
    return cells


def source(cell: Cell) -> str:
    return "".join(cell["source"])


def spoken(cell: Cell) -> dict[str, str]:
    return {k: v for k, v in cell["metadata"].get("swarmlab", {}).items() if k in SPOKEN}


def unspoken(cell: Cell) -> Cell:
    """The metadata without what is translated."""
    metadata = {key: value for key, value in cell["metadata"].items() if key != "translates"}
    if "swarmlab" in metadata:
        own = metadata["swarmlab"].items()
        metadata["swarmlab"] = {key: value for key, value in own if key not in SPOKEN}
    return metadata


def comments(code: str) -> list[str]:
    """The comments of Python code, and of the docker command lines in `%%docker` cells."""
    if re.match("%%|!", code):
        return re.findall(r"(?m)(?:^|(?<=\s))#.*", code)
    python = re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", code)
    tokens = tokenize.generate_tokens(io.StringIO(python).readline)
    magics = re.findall(r"(?m)^\s*[%!].*?\s(#.*)", code)
    return [token.string for token in tokens if token.type == tokenize.COMMENT] + magics


def without_comments(code: str) -> str:
    for comment in comments(code):
        code = code.replace(comment, "#", 1)
    return code


def stamp_of(english: Cell) -> str | None:
    """A hash of what there is to translate; None where there is nothing."""
    text = source(english) if english["cell_type"] == "markdown" else comments(source(english))
    texts = [text, spoken(english)]
    whole = json.dumps(texts, ensure_ascii=False, sort_keys=True).encode()
    return hashlib.sha256(whole).hexdigest()[:8] if any(texts) else None


def faults(english: Path, translated: Path) -> Iterator[str]:
    """How a translated notebook differs, other than in its language, a line each."""
    pairs, others = cells_of(english), cells_of(translated)
    where = f"{translated.parent.name}/{translated.stem}"
    if [(c["id"], c["cell_type"]) for c in pairs] != [(c["id"], c["cell_type"]) for c in others]:
        yield f"{where}: other cells, or in another order"
        return
    for one, other in zip(pairs, others, strict=True):
        cell = f"{where}, cell {one['id']}"
        code = one["cell_type"] == "code"
        if code and without_comments(source(one)) != without_comments(source(other)):
            yield f"{cell}: other code"
        if unspoken(one) != unspoken(other) or {*spoken(one)} != {*spoken(other)}:
            yield f"{cell}: other metadata"
        if other["metadata"].get("translates") != stamp_of(one):
            yield f"{cell}: the English cell has changed; translate it, then stamp this page"
        if not code and source(one) == source(other) and len(source(one)) > 20:
            yield f"{cell}: not translated"


def stamp(english: Path, translated: Path) -> list[str]:
    """Note in each cell what it translates; the ids of those where that is new."""
    notebook = json.loads(translated.read_text("utf-8"))
    stamps, new = {cell["id"]: stamp_of(cell) for cell in cells_of(english)}, []
    for cell in notebook["cells"]:
        known, metadata = stamps.get(cell["id"]), cell["metadata"]
        if metadata.get("translates") != known:
            new.append(cell["id"])
            metadata.pop("translates", None)
            metadata |= {"translates": known} if known else {}
    if new:
        text = json.dumps(notebook, ensure_ascii=False, indent=1)
        translated.write_text(f"{text}\n", encoding="utf-8")
    return new


# -- words -----------------------------------------------------------------------------------------
# What is nobody's prose: code, commands, addresses, tags, names of files, placeholders, quotations,
# an English word in brackets that explains the Portuguese one.
NO_PROSE = re.compile(
    r"(?s)```.*?```|`[^`]*`|<code.*?</code>|<[^>]*>|\]\([^)]*\)|https?://\S+|\{[^}]*\}|(?m:^>.*$)"
    r"|\b(?:service|node|stack|container|image) (?:ls|ps|rm|[a-z]+ate|scale|inspect|logs|deploy)\b"
    r"|\w+\.\w+|(?<!\w)/\w+"
    r"|\S*_\S*|--[\w-]+|“[^”]*”|\(\*[\w ]+\*\)|\b[A-Z]{2,}\b"
)


def never(glossary: str) -> dict[str, str]:
    """Of the glossary's table: a word that is not used here -> what is said instead."""
    rows = [line.strip("|").split("|") for line in glossary.splitlines() if line.startswith("| ")]
    return {
        word.strip(): instead.strip()
        for _english, instead, words, _source in rows[2:]
        for word in words.split(",")
        if word.strip()
    }


def bad_words(text: str, words: dict[str, str]) -> Iterator[str]:
    """Words of a text that the glossary excludes, each with the right one."""
    prose = NO_PROSE.sub(" ", text)
    for word, instead in words.items():
        for found in re.finditer(rf"(?i)(?<![\w-]){word}(?![\w-])", prose):
            around = prose[max(0, found.start() - 30) : found.end() + 30].replace("\n", " ")
            yield f"{found[0]!r} (say {instead!r}) in: {around.strip()}"


def words_of(cell: Cell) -> str:
    """What a person reads of a cell, and hears."""
    text = source(cell) if cell["cell_type"] == "markdown" else "\n".join(comments(source(cell)))
    return "\n".join([text, *spoken(cell).values()])


def bad_words_in_notebooks(folder: Path) -> Iterator[str]:
    words = never((folder / GLOSSARY).read_text("utf-8"))
    for path in sorted(folder.glob("*.ipynb")):
        for cell in cells_of(path):
            for fault in bad_words(words_of(cell), words):
                yield f"{folder.name}/{path.stem}, cell {cell['id']}: {fault}"


def main(command: str, *names: str) -> int:
    found = list[str]()
    for folder in languages():
        found += bad_words_in_notebooks(folder) if command == "faults" else ()
        for english in sorted(NOTEBOOKS.glob("*.ipynb")):
            translated = folder / english.name
            if names and not english.stem.startswith(names):
                continue
            if not translated.exists():
                found.append(f"{folder.name}/{english.stem}: there is none")
            elif command == "stamp":
                print(english.stem, *stamp(english, translated))
            else:
                found += faults(english, translated)
    print(*found, f"{len(found)} faults", sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    if sys.argv[1:2] not in (["faults"], ["stamp"]):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
