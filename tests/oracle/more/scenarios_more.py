"""More scenarios: what `../scenarios.py` leaves open. From the folder above:

    python compare.py --module more.scenarios_more --golden more/golden-26.1.5
    python record.py --module more.scenarios_more --into more/golden    # as root, real engines

Numbers in the scenarios name sections of SwarmKit's behaviour, as our other tests do.
"""

from more import life, orchestration, placement, updates  # noqa: F401  # they list themselves
from more.helpers import ALL  # noqa: F401
