"""`alm-texture render`."""

import argparse
import json
from pathlib import Path

from alm_texture.io import encode_image, write_files
from alm_texture.render import render
from alm_texture.verbs import common
from alm_texture.views import describe_views

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_mesh(parser)
    common.add_views(parser)
    parser.add_argument("--texture", type=Path, action="append", help="a picture a material, in order (the mesh's own)")
    parser.add_argument("--size", type=int, default=768, help="the pictures' width in pixels (768)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder of the pictures and cameras.json")
    parser.add_argument("--overwrite", action="store_true", help="allow existing files to be replaced")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(flags: argparse.Namespace) -> None:
    """Draws the views into a folder."""
    if flags.output.exists() and not flags.output.is_dir():
        raise ValueError(f"the output {flags.output} is a file: render writes a folder")
    mesh = common.opened_mesh(flags)
    textures = common.textures_of(flags, mesh)[0] if flags.texture else None
    cameras = common.cameras_of(flags, mesh)
    names = [f"view-{i:03d}.png" for i in range(len(cameras))]
    paths = [flags.output / name for name in (*names, "cameras.json")]
    there = [path for path in paths if path.exists()]
    if there and not flags.overwrite:
        raise FileExistsError(f"{there[0]} exists: choose another folder, or allow it with --overwrite")
    pictures = render(mesh, cameras, size=flags.size, textures=textures, rasterizer=flags.rasterizer)
    described = json.dumps(describe_views(cameras, mesh, names), indent=1).encode()
    flags.output.mkdir(parents=True, exist_ok=True)
    write_files([*zip([encode_image(p) for p in pictures], paths, strict=False), (described, paths[-1])])
    common.tell(flags, {"output": [str(path) for path in paths]}, f"{flags.output}: {len(pictures)} views")
