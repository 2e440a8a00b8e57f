"""More scenarios, beyond those of `../scenarios.py`. In the folder above:

    python compare.py --module more.scenarios_more --golden more/golden-26.1.5
    python record.py --module more.scenarios_more --into more/golden    # as root, real engines
"""

from more import everyday, life, networks, orchestration, placement, updates  # noqa: F401  # they list themselves
from more.helpers import ALL  # noqa: F401
