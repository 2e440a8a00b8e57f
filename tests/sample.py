"""What a commit runs of the long tests: a sample that the commit chooses.

`SWARMLAB_WHOLE=1 pytest …` runs all of it.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
WHOLE = bool(os.environ.get("SWARMLAB_WHOLE"))


def commit_number() -> int:
    """A number that differs from commit to commit."""
    folder = Path(__file__).parent
    words = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    return int(done.stdout[:8] or "7", 16)


def sample(items: Iterable[T], count: int = 1) -> list[T]:
    """`count` of the items, in their order; all of them with `SWARMLAB_WHOLE=1`."""
    all_of_them = list(items)
    if WHOLE:
        return all_of_them
    seed = f"{commit_number()} {all_of_them}"  # one draw says nothing about another
    places = random.Random(seed).sample(range(len(all_of_them)), count)
    return [all_of_them[place] for place in sorted(places)]
