"""Play one scenario on a simulated and on a real cluster, and compare the results.

`compare("leader_crash", against=swarmlab.launch)` plays it on both. Without `against` the real side
is a recording (`recordings.json`) of what real engines did. Read in this order: `scenario` (plays
`scenarios.yml`), `lessons/goal_checks` (what can be measured of a cluster), `comparison`.
"""

from swarmlab.compare.comparison import compare
from swarmlab.compare.scenario import scenarios, steps

__all__ = ["compare", "scenarios", "steps"]
