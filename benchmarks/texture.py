"""What baking keeps of a texture, and how long it takes.

    ./run bench texture --json texture.json

Round trip: a known texture is drawn from the paper's ten views at 768², baked at 1024², and compared with itself at
random places of the surface, even by area, that some view sees. PSNR over the best 99% of them and over all; coverage;
seam contrast in a view that was not baked, across the cuts of the atlas over that inside charts, for the truth and for
what was baked. Speed: medians of several runs after one, all in this run; against 200 steps of Adam through
grid_sample. Memory: the peak of painting in 1536² latents of 4 channels from ten views, without a network, over that
of the imports.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import trimesh
from alm_texture import Camera, Fit, Material, Mesh, Picture, Scene, Splatting, bake, paper_views, read_mesh, unwrap
from alm_texture.atlas import corners, shade
from alm_texture.fill import fill_surface
from alm_texture.metrics import seam_contrast
from alm_texture.splat import Splat
from numpy.typing import NDArray

from benchmarks.common import ROOT, write_results

VIEW, TEXTURE, POINTS = 768, 1024, 400_000
UNSEEN = (Camera.orbit(22.5, 15), Camera.orbit(202.5, -15))
Floats = NDArray[np.float32]


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    count = len(shape.faces)
    bare = Mesh(
        np.asarray(shape.vertices, np.float64),
        np.asarray(shape.faces, np.int64),
        None,
        np.zeros(count, np.int64),
        (Material("made"),),
        np.zeros(count, np.int64),
        ("made",),
    )
    return unwrap(bare, size=TEXTURE)


def bumpy(faces: int) -> trimesh.Trimesh:
    """A sphere with waves on it, of about so many faces."""
    rings = round((faces / 8) ** 0.5)
    shape = trimesh.creation.uv_sphere(count=[rings, 2 * rings])
    v = shape.vertices
    shape.vertices = v * (1 + 0.08 * np.sin(7 * v[:, :1]) * np.cos(5 * v[:, 1:2]) + 0.05 * np.sin(11 * v[:, 2:]))
    return shape


def ten() -> trimesh.Trimesh:
    """Ten spheres and boxes apart."""
    rng, parts = np.random.default_rng(3), []
    for i in range(10):
        part = trimesh.creation.icosphere(2, 0.3) if i % 2 else trimesh.creation.box((0.4, 0.5, 0.3)).subdivide()
        part.apply_translation([np.cos(i * 0.63) * 1.2, 0.5 * rng.normal(), np.sin(i * 0.63) * 1.2])
        parts.append(part)
    return trimesh.util.concatenate(parts)


def painted(mesh: Mesh, size: int = TEXTURE) -> Floats:
    """(T, 3) a smooth pattern of the place on the surface, so that it runs on across cuts; gutters from the nearest."""
    from alm_texture.fill import fill_gutters

    atlas = Scene(mesh).atlas(size)
    p = atlas.point.astype(np.float64)
    waves = [np.sin(p @ np.array(k) + shift) for k, shift in (((9, 4, 1), 0), ((-3, 8, 5), 1), ((2, -6, 10), 2))]
    values = np.zeros((atlas.count, 3), np.float32)
    values[atlas.texel] = 0.5 + 0.45 * np.stack(waves, 1)
    return fill_gutters(atlas, values)


def checkerboard(size: int = TEXTURE, squares: int = 32) -> Floats:
    at = np.arange(size) * squares // size
    board = ((at[:, None] + at) % 2).astype(np.float32)
    return np.repeat(board.reshape(-1, 1), 3, 1) * 0.8 + 0.1


def seen_points(mesh: Mesh, cameras: list[Camera]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """uv and page of random places that some camera sees, by rays of their own."""
    rng = np.random.default_rng(0)
    area = mesh.areas / mesh.areas.sum()
    face = rng.choice(len(area), POINTS, p=area)
    root, along = np.sqrt(rng.random(POINTS)), rng.random(POINTS)
    bary = np.stack([1 - root, root * (1 - along), root * along], 1)
    point = np.einsum("nk,nkd->nd", bary, mesh.unit[mesh.faces[face]].astype(np.float64))
    normal = Scene(mesh).normals[face]
    caster = trimesh.Trimesh(mesh.unit, mesh.faces, process=False).ray
    seen = np.zeros(POINTS, bool)
    for camera in cameras:
        away = point - camera.position
        clip = np.column_stack([point, np.ones(POINTS)]) @ camera.projection().T
        maybe = np.flatnonzero(((away * normal).sum(1) < 0) & (np.abs(clip[:, :2] / clip[:, 3:]) < 1).all(1))
        hit = caster.intersects_first(np.repeat(camera.position[None], len(maybe), 0), away[maybe])
        seen[maybe[hit == face[maybe]]] = True
    uv = np.einsum("nk,nkd->nd", bary[seen], mesh.uv[face[seen]])
    return uv, mesh.page[face[seen]]


def read(values: Floats, uv: NDArray[np.float64], page: NDArray[np.int64]) -> Floats:
    texel, weight = corners(uv, page, TEXTURE)
    return np.einsum("nk,nkc->nc", weight, values[texel])


def psnr(squares: Floats) -> float:
    return float(-10 * np.log10(max(squares.mean(dtype=np.float64), 1e-20)))


def round_trip(name: str, mesh: Mesh, truth: Floats) -> list[dict[str, object]]:
    scene, cameras = Scene(mesh), paper_views()
    views = [scene.look(camera, VIEW) for camera in cameras]
    pictures = [Picture(c, v, shade(mesh, v, truth, TEXTURE)) for c, v in zip(cameras, views, strict=True)]
    uv, page = seen_points(mesh, cameras)
    wanted, rows = read(truth, uv, page), []
    unseen = [scene.look(camera, VIEW) for camera in UNSEEN]
    natural = [seam_contrast(mesh, view, shade(mesh, view, truth, TEXTURE), TEXTURE) for view in unseen]
    for solver in (Splatting(), Fit()):
        baked = bake(scene, pictures, size=TEXTURE, solver=solver)
        values = baked.values.reshape(-1, 3)
        squares = np.sort(((read(values, uv, page) - wanted) ** 2).mean(1))
        seams = [seam_contrast(mesh, view, shade(mesh, view, values, TEXTURE), TEXTURE) for view in unseen]
        rows.append(
            {
                "mesh": name,
                "faces": len(mesh.faces),
                "solver": type(solver).__name__,
                "psnr_best_99": psnr(squares[: int(0.99 * len(squares))]),
                "psnr_all": psnr(squares),
                "coverage": baked.coverage,
                "unfilled": int((~np.isfinite(values)).any(1).sum()),
                "seam": seams,
                "seam_of_truth": natural,
            }
        )
        print(
            f"{name:<24}{len(mesh.faces):>8} faces  {type(solver).__name__:<10} "
            f"best 99% {rows[-1]['psnr_best_99']:5.1f} dB  all {rows[-1]['psnr_all']:5.1f}  "
            f"coverage {baked.coverage:.3f}  seam "
            + " ".join(f"{s:.2f} ({n:.2f})" for s, n in zip(seams, natural, strict=True))
        )
    return rows


def timed(work: Callable[[], object], runs: int = 5) -> tuple[float, float, float]:
    """Least, median and greatest seconds after a run that is not counted."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times), statistics.median(times), max(times)


def adam(mesh: Mesh, pictures: list[Picture], steps: int = 200) -> Floats:
    """The texture by gradient descent through bilinear reading of all views."""
    uv = [np.einsum("nk,nkd->nd", p.view.bary, mesh.uv[p.view.face]) % 1 for p in pictures]
    grid = torch.from_numpy(np.concatenate(uv).astype(np.float32)) * torch.tensor([2.0, -2.0]) - torch.tensor(
        [1.0, -1.0]
    )
    wanted = torch.from_numpy(np.concatenate([p.values for p in pictures])).T[None, :, None]
    texture = torch.full((1, 3, TEXTURE, TEXTURE), 0.5, requires_grad=True)
    optimiser = torch.optim.Adam([texture], lr=1e-2, betas=(0.9, 0.99))
    for _ in range(steps):
        optimiser.zero_grad()
        shown = torch.nn.functional.grid_sample(texture, grid[None, None], align_corners=False)
        ((shown - wanted) ** 2).mean().backward()
        optimiser.step()
    return texture.detach()[0].permute(1, 2, 0).reshape(-1, 3).numpy()


def speed(spot: Mesh, truth: Floats) -> dict[str, object]:
    found: dict[str, object] = {}

    def note(name: str, times: tuple[float, float, float]) -> None:
        found[name] = times
        print(f"{name:<52} {times[1]:7.3f} s  ({times[0]:.3f} to {times[2]:.3f})")

    big = mesh_of(bumpy(100_000))
    scene, camera = Scene(big), paper_views()[1]
    scene.normals  # noqa: B018
    note(f"a view of 768² at {len(big.faces)} faces", timed(lambda: scene.look(camera, VIEW)))
    scene, cameras = Scene(spot), paper_views()
    views = [scene.look(c, VIEW) for c in cameras]
    pictures = [Picture(c, v, shade(spot, v, truth, TEXTURE)) for c, v in zip(cameras, views, strict=True)]
    note("ten views to 1024² by splatting", timed(lambda: bake(scene, pictures, size=TEXTURE, solver=Splatting())))
    note("ten views to 1024² by least squares", timed(lambda: bake(scene, pictures, size=TEXTURE, solver=Fit())))
    note("the same by 200 steps of Adam", timed(lambda: adam(spot, pictures), 1))
    atlas, splat = scene.atlas(TEXTURE), Splat(scene.atlas(TEXTURE), 3)
    splat.add(cameras[0], views[0], pictures[0].values)
    values, seen = splat.texture()
    note("Voronoi on the surface at 1024², one view seen", timed(lambda: fill_surface(atlas, values, seen)))
    uv, page = seen_points(spot, cameras)
    squares = np.sort(((read(adam(spot, pictures), uv, page) - read(truth, uv, page)) ** 2).mean(1))
    found["adam_psnr_best_99"], found["adam_psnr_all"] = psnr(squares[: int(0.99 * len(squares))]), psnr(squares)
    print(f"Adam's PSNR: best 99% {found['adam_psnr_best_99']:.1f} dB, all {found['adam_psnr_all']:.1f}")
    shape = bumpy(83_000)
    note(f"unwrap {len(shape.faces)} faces", timed(lambda: mesh_of(shape), 1))
    return found


def memory() -> dict[str, float]:
    """Peak of painting in latents, in a process of its own, over the peak of one that only imports; GB."""
    found = {}
    for name in ("imports", "paint"):
        done = subprocess.run(
            [sys.executable, __file__, "--only", name], capture_output=True, text=True, check=True, cwd=ROOT
        )
        found[name] = float(done.stdout.split()[-1])
        print(f"peak memory, {name}: {found[name]:.2f} GB")
    return found


def only(name: str) -> None:
    """One side of `memory`."""
    from alm_core import ALM, FixedNoise, Prediction
    from alm_core.schedule import Schedule, scaled_linear
    from alm_texture.paint import paint
    from alm_texture.priors import Defaults

    class Nothing:
        """A latent prior of 4 channels and a factor of 8, with no network."""

        device, size, factor, multiple, lockstep, shared, guided_rows = torch.device("cpu"), VIEW, 8, 8, True, True, 2
        defaults, identity = Defaults(30, ALM(off_last=0.2), FixedNoise()), "nothing"

        def predict(self, x_t, level, conditions):
            return Prediction.from_eps(x_t, level, x_t * level.s)

        predict_guided = predict

        def schedule(self, steps):
            return Schedule.leading(scaled_linear(), steps)

        def encode(self, pixels):
            return torch.nn.functional.avg_pool2d(pixels, 8)[:, [0, 1, 2, 0]]

        def decode(self, state):
            return torch.nn.functional.interpolate(state[:, :3], scale_factor=8)

        def condition(self, prompt, negative_prompt, view):
            return None

        def backdrop(self, view, seed):
            return torch.zeros(1, 3, VIEW, VIEW)

    if name == "paint":
        result = paint(read_mesh(ROOT / "examples" / "meshes" / "spot.obj"), prior=Nothing(), texture_size=TEXTURE)
        print(f"{result.seconds:.1f} s", file=sys.stderr)
    # Of this program alone: what getrusage says counts the process that started it, too.
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    print(int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024 / 1e9)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=("imports", "paint", "round-trip", "speed"), help="one part")
    flags = parser.parse_args()
    if flags.only in ("imports", "paint"):
        return only(flags.only)
    spot = read_mesh(ROOT / "examples" / "meshes" / "spot.obj")
    assert spot.materials[0].texture is not None
    own = (spot.materials[0].texture.reshape(-1, 3) / 255).astype(np.float32)
    results: dict[str, object] = {}
    if flags.only in (None, "round-trip"):
        shapes = {
            "ten components": mesh_of(ten()),
            "bumpy sphere": mesh_of(bumpy(90_000)),
            "spot, new UVs": unwrap(spot),
        }
        results["round_trip"] = [
            *round_trip("spot, its own texture", spot, own),
            *round_trip("spot, checkerboard", spot, checkerboard()),
            *(row for name, mesh in shapes.items() for row in round_trip(name, mesh, painted(mesh))),
        ]
    if flags.only in (None, "speed"):
        results["speed"] = speed(spot, own)
        results["memory"] = memory()
    if flags.json:
        write_results(flags.json, view=VIEW, texture=TEXTURE, points=POINTS, **results)
    return None


if __name__ == "__main__":
    main()
