"""Every page prints the same in any process, but for cells that look at this computer."""

from __future__ import annotations

import re

import nbformat

from tests.printed import LEFT_OUT, differences
from tests.sample import sample
from tests.twins import NOTEBOOKS


def test_a_page_prints_the_same_in_another_process():
    """The commit chooses the page; `python -m tests.printed` runs all."""
    assert [difference for page in sample(NOTEBOOKS) for difference in differences(page)] == []


def test_only_cells_that_look_at_this_computer_may_print_something_else():
    cells = [cell for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    marked = {cell.id for cell in cells if LEFT_OUT & {*cell.metadata.get("tags", [])}}
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert marked == {c.id for c in code if re.search(r"perf_counter|\bby_hand\(", c.source)}
