"""What the long test commands found, in `results.json`; README's account of it is made from this.

`python -m tests.results` writes that section of README.md anew.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "results.json"


def read() -> dict[str, dict[str, Any]]:
    """Each command's last results, with the date on which it ran."""
    return json.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}


def write(command: str, **numbers: Any) -> None:
    """Replace the results of one command."""
    found = read()
    found[command] = {**numbers, "date": datetime.datetime.now(datetime.UTC).date().isoformat()}
    FILE.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", "utf-8")
