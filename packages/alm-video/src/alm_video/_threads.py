"""How threads wait, said before torch reads it; imported first.

OpenMP's threads spin while they wait, which starves a machine that does anything else. A value that the user set stays.
"""

import os

__all__: list[str] = []

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
