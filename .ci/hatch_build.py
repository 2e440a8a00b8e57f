"""Compiles the catalogues of messages into the wheel; Hatch runs this, see pyproject.toml."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileCatalogues(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, _version: str, _build_data: dict[str, Any]) -> None:
        for path in Path(self.root, "swarmlab", "locale").rglob("*.po"):
            with path.open("rb") as source, path.with_suffix(".mo").open("wb") as compiled:
                write_mo(compiled, read_po(source))
