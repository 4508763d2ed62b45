"""What every benchmark records beside its numbers."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

__all__ = ["ROOT", "environment", "write_results"]

ROOT = Path(__file__).resolve().parent.parent


def environment() -> dict[str, object]:
    """Machine, versions, commit and date; no name or path of the machine."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": git.stdout.strip() or None,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write_results(path: Path, **results: object) -> None:
    """Writes `results` beside the environment, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"environment": environment(), **results}, indent=1) + "\n")


def _cpu() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
