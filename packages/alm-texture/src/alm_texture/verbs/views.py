"""`alm-texture views`."""

import argparse
import json
from pathlib import Path

import numpy as np

from alm_texture.io import write_files
from alm_texture.scene import Scene
from alm_texture.sight import sight
from alm_texture.unwrap import unwrap
from alm_texture.verbs import common
from alm_texture.views import describe_views

__all__ = ["add", "run"]

LOOK = 512
"""The side in pixels of the pictures in which coverage is counted, and of the atlas."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_mesh(parser)
    common.add_views(parser, "auto")
    parser.add_argument("-o", "--output", type=Path, help="write the cameras to a JSON file, for --views")
    parser.add_argument("--overwrite", action="store_true", help="allow an existing file to be replaced")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(flags: argparse.Namespace) -> None:
    """Lists the cameras, and what of the surface each adds to what is seen."""
    if flags.output is not None and flags.output.exists() and not flags.overwrite:
        raise FileExistsError(f"{flags.output} exists: choose another name, or allow it with --overwrite")
    if flags.output is not None and not flags.output.parent.is_dir():
        raise FileNotFoundError(f"the folder {flags.output.parent} of the output does not exist: make it first")
    mesh = common.opened_mesh(flags, keep_uv=False)
    mesh = unwrap(mesh, size=LOOK)
    cameras = common.cameras_of(flags, mesh)
    scene = Scene(mesh, flags.rasterizer)
    atlas = scene.atlas(LOOK)
    coverage, seen = [], np.zeros(len(atlas.texel), bool)
    for camera in cameras:
        seen[sight(atlas, camera, scene.look(camera, LOOK)).at] = True
        coverage.append(float(atlas.area[seen].sum()))
    described = describe_views(cameras, mesh)
    if flags.output is not None:
        write_files([(json.dumps(described, indent=1).encode(), flags.output)])
    if flags.json:
        print(json.dumps({**described, "coverage": coverage[-1]}))
        return
    for camera, share in zip(cameras, coverage, strict=True):
        print(f"azimuth {camera.azimuth:7.1f}  elevation {camera.elevation:6.1f}  seen so far {share:6.1%}")
