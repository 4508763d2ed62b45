"""Reads a lock on standard input and writes it without torch and what only its CUDA build needs."""

import re
import sys

CUDA_ONLY = re.compile(r"^(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")

keep = True
for line in sys.stdin:
    if not line.startswith((" ", "#")):
        keep = CUDA_ONLY.match(line) is None
    if keep:
        sys.stdout.write(line)
