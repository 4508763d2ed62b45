"""`alm-image regions`."""

import argparse
from pathlib import Path

from alm_image.complete import Result
from alm_image.layers import read_regions
from alm_image.options import Settings
from alm_image.regions import regions
from alm_image.verbs import common

__all__ = ["add", "run"]

METHODS = (*common.COUPLED, "multidiffusion", "synctweedies")
"""Those that need nothing finished to go by, and the joint ones of regions."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--background", required=True, metavar="PROMPT", help="what is outside of all regions")
    parser.add_argument(
        "--region",
        nargs=2,
        action="append",
        required=True,
        metavar=("MASK", "PROMPT"),
        help="a picture, white where the region is, and what is there; may be repeated, the later on top",
    )
    parser.add_argument("--prompt", default="", help="the whole picture (all the other prompts, joined)")
    parser.add_argument("--height", type=int, help="pixels (the masks')")
    parser.add_argument("--width", type=int, help="pixels (the masks')")
    common.add_output(parser)
    common.add_model(parser, default="examples", prompt=False)
    common.add_solver(parser, METHODS, coupled=True)
    parser.add_argument("--bootstrap", type=int, help="MultiDiffusion's first steps before plain colours (20 of 50)")
    common.add_report(parser)


def run(flags: argparse.Namespace) -> None:
    """Makes the picture and writes what was asked for, all or nothing."""
    foregrounds = [(Path(mask), prompt) for mask, prompt in flags.region]
    masks = [mask for mask, _ in foregrounds]
    read_regions(masks)
    prompts = [flags.background, flags.prompt, *(prompt for _, prompt in foregrounds)]

    def verb(settings: Settings) -> Result:
        return regions(
            flags.background,
            foregrounds,
            height=flags.height,
            width=flags.width,
            bootstrap=flags.bootstrap,
            **settings,
        )

    common.work(flags, verb, [*masks, *common.example_inputs(flags.model, prompts)])
