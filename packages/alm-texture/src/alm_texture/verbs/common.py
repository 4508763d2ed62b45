"""Flags and steps that several verbs share."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alm_texture.bake import Fit, Solver, Splatting
from alm_texture.camera import Camera, paper_views
from alm_texture.export import save_mesh
from alm_texture.io import check_output, read_image, read_mesh
from alm_texture.keep import transfer
from alm_texture.mesh import Mesh
from alm_texture.progress import PROGRESS
from alm_texture.raster import RASTERIZERS
from alm_texture.scene import Scene
from alm_texture.unwrap import check_overlap, check_uv, unwrap
from alm_texture.views import auto_views, read_views

__all__ = [
    "SOLVERS",
    "add_mesh",
    "add_output",
    "add_report",
    "add_texture",
    "add_views",
    "cameras_of",
    "check_memory",
    "mapped_mesh",
    "moved",
    "opened_mesh",
    "save",
    "solver_of",
    "tell",
    "textures_of",
]

Pixels = NDArray[np.uint8]
SOLVERS: dict[str, type[Solver]] = {"lsq": Fit, "splat": Splatting}
SIZE = 1024
BYTES = 400
"""What baking takes for a texel, about."""


def add_mesh(parser: argparse.ArgumentParser) -> None:
    """The mesh, and how it is read."""
    parser.add_argument("mesh", type=Path, help="the mesh: OBJ, GLB, glTF, PLY or STL")
    parser.add_argument("--up", choices=("y", "z"), help="the file's up axis (y)")
    parser.add_argument("--rasterizer", choices=RASTERIZERS, default="embree", help="what draws the mesh (embree)")


def add_texture(parser: argparse.ArgumentParser) -> None:
    """Pages and their UVs."""
    parser.add_argument("--size", type=int, help=f"the texture's width in texels, a page ({SIZE})")
    parser.add_argument("--unwrap", action="store_true", help="make new UVs, whatever the mesh has")
    parser.add_argument(
        "--uv-outside",
        choices=("wrap", "refuse"),
        default="wrap",
        help="UVs outside [0, 1] repeat, or are refused (wrap)",
    )
    parser.add_argument("--solver", choices=SOLVERS, default="lsq", help="least squares: sharp; splat: quick (lsq)")


def add_views(parser: argparse.ArgumentParser, otherwise: str = "paper") -> None:
    """Which cameras."""
    parser.add_argument(
        "--views",
        default=otherwise,
        help=f"paper (ten), auto (until coverage stops growing), or a JSON file ({otherwise})",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """A textured mesh, whole or not at all."""
    parser.add_argument("-o", "--output", type=Path, required=True, help="the result: a GLB, or an OBJ with its PNGs")
    parser.add_argument("--overwrite", action="store_true", help="allow existing outputs to be replaced")
    parser.add_argument("--roughness", type=float, default=1.0, help="of the GLB's material, in [0, 1] (1)")


def add_report(parser: argparse.ArgumentParser) -> None:
    """What is said of the work."""
    parser.add_argument("--progress", choices=PROGRESS, default="auto", help="a bar on a terminal, JSON lines, or none")
    parser.add_argument("--json", action="store_true", help="print one JSON object last on standard output")


def opened_mesh(flags: argparse.Namespace, *, keep_uv: bool = True) -> Mesh:
    """The mesh as the flags say."""
    return read_mesh(flags.mesh, up=flags.up, keep_uv=keep_uv)


def mapped_mesh(flags: argparse.Namespace) -> Mesh:
    """The mesh with UVs that can be painted on, its outputs and memory checked. Raises ValueError."""
    if not 0 <= flags.roughness <= 1:
        raise ValueError(f"--roughness must lie in [0, 1], got {flags.roughness}")
    check_output(flags.output, source=flags.mesh, overwrite=flags.overwrite)
    flags.size = SIZE if flags.size is None else flags.size
    mesh = opened_mesh(flags, keep_uv=not flags.unwrap)
    check_memory(1 if flags.unwrap else len(mesh.materials), flags.size)
    if flags.unwrap:
        mesh = unwrap(mesh, size=flags.size)
    elif mesh.uv is None:
        print(f"alm-texture: {flags.mesh} has no UVs: new ones are made", file=sys.stderr)
        mesh = unwrap(mesh, size=flags.size)
    else:
        mesh = check_uv(mesh, outside=flags.uv_outside)
        check_overlap(mesh, rasterizer=flags.rasterizer)
    check_output(flags.output, pages=len(mesh.materials), source=flags.mesh, overwrite=flags.overwrite)
    return mesh


def check_memory(pages: int, size: int) -> None:
    """Raises ValueError for a texture that cannot be, or is too large for this machine's memory."""
    if size < 16:
        raise ValueError(f"--size must be 16 texels or more, got {size}")
    need, free = pages * size**2 * BYTES, _free_memory()
    if need > free:
        raise ValueError(
            f"{pages} texture{'s' * (pages > 1)} {size} wide would take about {need / 1e9:.0f} GB of memory, and "
            f"{free / 1e9:.0f} are free: ask for a smaller --size"
        )


def cameras_of(flags: argparse.Namespace, mesh: Mesh) -> list[Camera]:
    """The cameras that --views names."""
    if flags.views == "paper":
        return paper_views()
    if flags.views == "auto":
        # Coverage is counted on an atlas: a mesh without one gets one for this.
        return auto_views(Scene(mesh if mesh.uv is not None else unwrap(mesh), flags.rasterizer))
    return read_views(flags.views, mesh)[0]


def textures_of(flags: argparse.Namespace, mesh: Mesh) -> tuple[list[Pixels], list[Pixels | None]]:
    """The pages that --texture names, or the mesh's own, and their alphas. Raises ValueError where a page has none."""
    if not flags.texture:
        own = [material.texture for material in mesh.materials]
        missing = [m.name for m in mesh.materials if m.texture is None]
        if missing:
            raise ValueError(f"the mesh has no texture for {', '.join(missing)}: give one a material with --texture")
        return [texture for texture in own if texture is not None], [None] * len(own)
    if len(flags.texture) != len(mesh.materials):
        raise ValueError(f"the mesh has {len(mesh.materials)} materials, got {len(flags.texture)} of --texture")
    read = [read_image(path) for path in flags.texture]
    return [colours for colours, _ in read], [alpha for _, alpha in read]


def solver_of(flags: argparse.Namespace) -> Solver:
    """What --solver names."""
    return SOLVERS[flags.solver]()


def save(flags: argparse.Namespace, mesh: Mesh, textures: list[Pixels]) -> None:
    """Writes the textured mesh."""
    save_mesh(mesh, textures, flags.output, roughness=flags.roughness)


def tell(flags: argparse.Namespace, report: dict[str, object], summary: str) -> None:
    """JSON on standard output, or a line on standard error."""
    if flags.json:
        print(json.dumps(report))
    else:
        print(summary, file=sys.stderr)


def moved(flags: argparse.Namespace, old: Mesh, new: Mesh) -> list[Pixels] | None:
    """The mesh's own textures on its new UVs; None where it has none."""
    own = [material.texture for material in old.materials if material.texture is not None]
    if old.uv is None or len(own) != len(old.materials):
        return None
    return transfer(old, new, own, flags.size)


def _free_memory() -> float:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return float(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
    except (OSError, StopIteration):
        return float("inf")
