"""`alm-motion train`."""

import argparse
import json
import sys
from pathlib import Path

from alm_core.placement import as_device

from alm_motion.train import Training, train

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("folder", type=Path, help="a folder of BVH clips; about one in ten is held out by a fixed rule")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder of the model, for --model")
    parser.add_argument("--minutes", type=float, default=90.0, help="how long (90)")
    parser.add_argument("--width", type=int, default=Training.width, help=f"of the network ({Training.width})")
    parser.add_argument("--resume", action="store_true", help="go on from the output folder's checkpoint")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, … (cpu)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object last on standard output")


def run(flags: argparse.Namespace) -> None:
    """Trains, telling the loss each minute."""
    if not flags.folder.is_dir():
        raise FileNotFoundError(f"there is no folder of clips at {flags.folder}")
    if (flags.output / "state.pt").exists() and not flags.resume:
        raise FileExistsError(f"{flags.output} holds a checkpoint: go on from it with --resume, or name another folder")
    settings = Training(minutes=flags.minutes, width=flags.width, seed=flags.seed)
    reports: list[dict[str, float]] = []

    def tell(report: dict[str, float]) -> None:
        reports.append(report)
        print(json.dumps(report), file=sys.stderr, flush=True)

    train(flags.folder, flags.output, settings, device=str(as_device(flags.device)), tell=tell)
    if flags.json:
        print(json.dumps({"output": str(flags.output), **(reports[-1] if reports else {})}))
