"""`alm-motion models`."""

import argparse
import json
from importlib.resources import files

from alm_motion.priors import FAMILIES, SHIPPED

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(flags: argparse.Namespace) -> None:
    """Lists them, and the actions that --prompt takes."""
    config = files("alm_motion") / "models" / "cmu" / "config.json"
    actions = {"cmu": json.loads(config.read_text(encoding="utf-8"))["actions"]}
    if flags.json:
        print(json.dumps({"shipped": SHIPPED, "actions": actions, "families": FAMILIES}))
        return
    for name, what in SHIPPED.items():
        print(f"{name:<10} {what}")
        if name in actions:
            print(f"{'':<10} --prompt: {', '.join(actions[name])}")
    print("and the path of:")
    for what in FAMILIES.values():
        print(f"  {what}")
