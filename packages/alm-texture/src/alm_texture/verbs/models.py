"""`alm-texture models`."""

import argparse
import json

__all__ = ["add", "run"]

MODELS = {
    "exemplar": "patches of example pictures, given with --exemplar: no weights, no download (the default)",
    "stable_diffusion": "Stable Diffusion 1.x or 2.x with a depth ControlNet, as folders or hub ids of diffusers",
    "sdxl": "Stable Diffusion XL base with a depth ControlNet, likewise",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(flags: argparse.Namespace) -> None:
    """Lists the models."""
    if flags.json:
        print(json.dumps(MODELS))
        return
    for name, what in MODELS.items():
        print(f"{name:<18} {what}")
