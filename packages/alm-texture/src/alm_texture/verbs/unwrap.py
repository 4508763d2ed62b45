"""`alm-texture unwrap`."""

import argparse
import time

import numpy as np

from alm_texture.io import check_output
from alm_texture.unwrap import unwrap
from alm_texture.verbs import common

__all__ = ["add", "run"]

BLANK = 200
"""The grey of a mesh that had no texture."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_mesh(parser)
    common.add_output(parser)
    parser.add_argument("--size", type=int, default=1024, help="the texture's width that charts are spaced for (1024)")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="about how long it may take: less makes more charts (15)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(flags: argparse.Namespace) -> None:
    """Gives the mesh new UVs; a texture that it has moves with it."""
    start = time.perf_counter()
    common.check_memory(1, flags.size)
    check_output(flags.output, source=flags.mesh, overwrite=flags.overwrite)
    mesh = common.opened_mesh(flags)
    made = unwrap(mesh, size=flags.size, seconds=flags.seconds)
    textures = common.moved(flags, mesh, made)
    had = textures is not None
    common.save(flags, made, textures or [np.full((flags.size, flags.size, 3), BLANK, np.uint8)])
    seconds = time.perf_counter() - start
    common.tell(
        flags,
        {"output": str(flags.output), "faces": len(made.faces), "texture_moved": had, "seconds": round(seconds, 3)},
        f"{flags.output}: {len(made.faces)} faces{', with their texture' * had}, {seconds:.1f} s",
    )
