"""`alm-motion convert`."""

import argparse
import json
import sys
from pathlib import Path

from alm_motion.clips import WRITERS
from alm_motion.io import check_output, encode_clip, write_files
from alm_motion.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_clip(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the result: .bvh, .npz or .glb")
    parser.add_argument("--overwrite", action="store_true", help="allow an existing output to be replaced")
    parser.add_argument(
        "--as", dest="kind", choices=WRITERS, help="what an .npz holds (what the clip came from, or joints)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last on standard output")


def run(flags: argparse.Namespace) -> None:
    """Writes the clip in another format."""
    check_output(flags.output, source=flags.clip, overwrite=flags.overwrite)
    if flags.kind and flags.output.suffix.lower() != ".npz":
        raise ValueError(f"--as {flags.kind} is for .npz, got {flags.output.name!r}: leave it out")
    clip = common.opened(flags)
    write_files([(encode_clip(clip, flags.output, kind=flags.kind), flags.output)])
    report = {
        "output": str(flags.output),
        "frames": len(clip),
        "fps": round(clip.fps, 6),
        "joints": len(clip.skeleton.names),
    }
    if flags.json:
        print(json.dumps(report))
    else:
        print(f"{flags.output}: {len(clip)} frames at {clip.fps:g} a second", file=sys.stderr)
