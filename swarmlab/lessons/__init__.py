"""Exercises, quizzes and bets: what a learner does on a page, and what is checked of it.

    exercise("spread_over_zones", make=make)  # shows it; Start makes its swarm
    exercises("07_placement", make=make)  # to pick from those of one topic
    progress()  # what is solved, and in how many changes
    where_next("07_placement")  # the pages after and before it

Read in this order: `goal_checks` (what can be measured of a swarm), `bank` (an exercise is data:
the YAML files in `exercises/`, one a notebook), `attempt` (a learner's work on one exercise),
`exercise_widget`, `progress_record`; by themselves, `bets` and `course_map`; and, for those who
presents a page, `run_of_show` and `scenes`.
"""

from swarmlab.lessons.course_map import where_next
from swarmlab.lessons.exercise_widget import exercise, exercises
from swarmlab.lessons.progress_record import progress
from swarmlab.lessons.scenes import reset, scene

__all__ = ["exercise", "exercises", "progress", "reset", "scene", "where_next"]
