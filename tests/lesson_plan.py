"""The runs of show as a table in `notebooks/README.md`: `python -m tests.lesson_plan` makes it.

`test_run_of_show.py` compares them.
"""

from __future__ import annotations

from pathlib import Path

from swarmlab.lessons.course_map import pages, topic_of
from swarmlab.lessons.run_of_show import RUNS, run_of_show

README = Path(__file__).parents[1] / "notebooks" / "README.md"
BEGIN, END = "<!-- made by `python -m tests.lesson_plan` -->\n", "<!-- end of what is made -->\n"


def clock(minute: float) -> str:
    """A minute of the run as on a clock: `1:05`."""
    return f"{int(minute) // 60}:{int(minute) % 60:02d}"


def plan() -> str:
    """A line for each page, with its start in each run and its minutes there."""
    columns = []
    for run, questions in RUNS.items():
        shown = run_of_show(run)
        begun = {step.page: start for start, step in reversed(shown)}
        length = {p: sum(s.minutes[run] for _start, s in shown if s.page == p) for p in begun}
        cells = {page: f"{clock(begun[page])}, {length[page]:g} min" for page in begun}
        columns.append(cells | {"questions": f"{clock(run - questions)}, {questions} min"})
    heads = ["Page", *(f"{run} minutes" for run in RUNS)]
    rows = [heads, ["---"] * len(heads)]
    for page in (*pages(), "questions"):
        if any(page in column for column in columns):
            topic = page.capitalize() if page == "questions" else topic_of(page)
            rows.append([topic, *(column.get(page, "") for column in columns)])
    lines = (" | ".join(cell or " " for cell in row) for row in rows)
    return "".join(f"| {line} |\n" for line in lines).replace("   ", " ")


def written(readme: str) -> str:
    """The README with the table as it should be."""
    before, _begin, rest = readme.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    return before + BEGIN + plan() + END + after


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), encoding="utf-8")
