"""How threads wait, said before torch reads it; imported first.

By default OpenMP's threads spin while they wait. The exemplar prior takes many small steps, so on a machine that does
anything else, or in a container with a share of a core, most of its time can go into spinning: passive waiting was from
1.3 to 30 times faster there, for a sixth more on an idle machine. A value that the user has set stays.
"""

import os

__all__: list[str] = []

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
