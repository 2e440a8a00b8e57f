"""Faults to plant in the product, so that the tests show that they notice.

Each `*.toml` here has a list of them: a name, a file of `swarmlab/`, a text that occurs once in it,
what is planted in its place, and the test files that must fail then.
`python -m tests.planted` plants them, one after another, in a copy of the tree.
"""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CATALOGUES = sorted(Path(__file__).parent.glob("*.toml"))


class Fault(NamedTuple):
    name: str
    file: str  # below `swarmlab/`
    text: str
    planted: str
    tests: tuple[str, ...]  # file names in `tests/`

    def apply(self, root: Path) -> None:
        """Plant it in the tree at `root`."""
        path = root / "swarmlab" / self.file
        path.write_text(self.source(path.read_text("utf-8")), "utf-8")

    def source(self, original: str) -> str:
        """The file's text with the fault in it; ValueError when its place cannot be found."""
        count = original.count(self.text)
        if count != 1:
            raise ValueError(
                f"{self.name!r}: the text {self.text!r} is {count} times in swarmlab/{self.file}, "
                "and has to be there once: correct the text, or remove the fault with the code"
            )
        return original.replace(self.text, self.planted)


def all_faults() -> list[Fault]:
    """Every fault of the catalogues, in order."""
    return [
        Fault(**{**fields, "tests": tuple(fields["tests"])})
        for path in CATALOGUES
        for fields in tomllib.loads(path.read_text("utf-8"))["fault"]
    ]


def sample(faults: list[Fault], count: int, seed: str) -> list[Fault]:
    """`count` of the faults, the same ones for the same seed."""
    return random.Random(seed).sample(faults, min(count, len(faults)))
