"""Exercises: a swarm in need, a goal, and a check that reads the Docker API alone.

    exercise("spread_over_zones", make=make)  # shows it; Start makes its swarm
    progress()  # what is solved, and in how many changes

Read in this order: `measures` (what can be asked of a swarm), `bank` (an exercise is data: the YAML
files beside it, one a notebook), `attempt` (somebody at work on one), `widget`, `record`.
"""

from swarmlab.lessons.exercise_widget import exercise
from swarmlab.lessons.progress_record import progress

__all__ = ["exercise", "progress"]
