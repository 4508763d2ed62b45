"""`alm-texture bake`."""

import argparse
import time
from pathlib import Path

import numpy as np

from alm_texture.bake import Picture, bake
from alm_texture.camera import Camera
from alm_texture.io import read_image
from alm_texture.scene import Scene
from alm_texture.verbs import common
from alm_texture.views import read_views

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_mesh(parser)
    parser.add_argument(
        "--images", type=Path, required=True, help="a folder with cameras.json and the pictures it names"
    )
    common.add_texture(parser)
    common.add_output(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object last on standard output")


def run(flags: argparse.Namespace) -> None:
    """Projects the pictures onto the mesh."""
    start = time.perf_counter()
    mesh = common.mapped_mesh(flags)
    if not flags.images.is_dir():
        raise FileNotFoundError(f"there is no folder at {flags.images}: render makes one, with cameras.json")
    cameras, names = read_views(flags.images / "cameras.json", mesh)
    nameless = [i for i, name in enumerate(names) if not name]
    if nameless:
        raise ValueError(
            f"view {nameless[0]} of {flags.images / 'cameras.json'} names no image: say which is its picture"
        )
    scene = Scene(mesh, flags.rasterizer)
    pictures = [_picture(scene, camera, flags.images / str(name)) for camera, name in zip(cameras, names, strict=True)]
    baked = bake(scene, pictures, size=flags.size, solver=common.solver_of(flags))
    common.save(flags, mesh, [np.rint(page.clip(0, 1) * 255).astype(np.uint8) for page in baked.values])
    seconds = time.perf_counter() - start
    common.tell(
        flags,
        {"output": str(flags.output), "coverage": baked.coverage, "views": len(pictures), "seconds": round(seconds, 3)},
        f"{flags.output}: {baked.coverage:.1%} of the surface seen by {len(pictures)} views, {seconds:.1f} s",
    )


def _picture(scene: Scene, camera: Camera, path: Path) -> Picture:
    """A file as what the camera saw: what is transparent does not count."""
    colours, alpha = read_image(path)
    if colours.shape[0] != colours.shape[1]:
        raise ValueError(f"pictures must be square, {path} is {colours.shape[1]} x {colours.shape[0]}: crop or pad it")
    view = scene.look(camera, colours.shape[0])
    values = colours.reshape(-1, 3)[view.pixel].astype(np.float32) / np.float32(255)
    weight = None if alpha is None else alpha.ravel()[view.pixel].astype(np.float32) / np.float32(255)
    return Picture(camera, view, values, weight)
