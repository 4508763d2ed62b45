"""Do the views of a painted mesh agree, and with which method most?

    ./run bench texture_agreement --mesh examples/meshes/spot.obj --json agreement.json

Two measures, each a mean absolute difference over all of the paper's ten views, as their method left them: nothing is
pasted. "pairs" is of any two views where both show a texel well, read bilinear; it includes what is lost by drawing
one view's pixels from another side, which for noise is much. "to earlier" is of each view to what the earlier ones
show, in the very texels that its cells read: what a method couples. Over seeds, with standard errors, and seed by seed
to SyncSDE.

Two priors: patches of an example picture, told nothing of what is given, so that the method alone can couple; and a
tiny Stable Diffusion with a depth ControlNet and random weights, in latents, without guidance, which would multiply
what a random network says. SyncTweedies has one canvas for all views, so that they agree by construction.
"""

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from alm_core import ALM, Independent, Method, Prior, Replacement, SyncSDE
from alm_core.exemplar import ExemplarPrior
from alm_core.fusions import SyncTweedies
from alm_texture import Mesh, Picture, Scene, Splatting, ViewPrior, load_prior, paint, paper_views, read_mesh, unwrap
from alm_texture.canvas import AUXILIARY, Canvas, canvas_of
from alm_texture.metrics import view_agreement
from PIL import Image
from torch import Tensor

from benchmarks.common import ROOT, write_results

METHODS: dict[str, Method | SyncTweedies] = {
    "alm": ALM(),
    "alm, no ΔY in the last 20%": ALM(off_last=0.2),
    "syncsde": SyncSDE(),
    "replacement": Replacement(),
    "synctweedies": SyncTweedies(),
    "independent": Independent(),
}


@dataclass(frozen=True)
class Unaware:
    """An exemplar prior that is not told what is given: the same density for every view, within its silhouette."""

    wrapped: ViewPrior
    examples: tuple[Tensor, ...]

    def __getattr__(self, name: str) -> object:
        return getattr(self.wrapped, name)

    def given(self, x_0: Tensor, mask: Tensor, outside: Tensor) -> Prior:
        """All of the view is unknown."""
        return ExemplarPrior(torch.zeros_like(x_0), torch.ones_like(mask), examples=self.examples, outside=outside)


def example_of(path: Path, longest: int) -> Tensor:
    image = Image.open(path).convert("RGB")
    image.thumbnail((longest, longest))
    return torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1)


def tiny_controlnet() -> ViewPrior:
    """The folders that the tests make."""
    sys.path.insert(0, str(ROOT / "packages" / "alm-texture" / "tests"))
    import tiny_controlnet

    folder = Path(tempfile.mkdtemp())
    for name in ("sd", "sd_depth"):
        tiny_controlnet.FOLDERS[name](folder / name)
    return load_prior(folder / "sd", controlnet=folder / "sd_depth", cross_view=False, guidance=1.0)


def states_of(
    mesh: Mesh, prior: ViewPrior, method: Method | SyncTweedies, *, size: int, steps: int, seed: int, lockstep: bool
) -> tuple[list[Tensor], list[Tensor | None]]:
    """The views' states (1, …), as the method left them, and what of them was left to later views."""
    options = {"size": size, "steps": steps, "seed": seed, "lockstep": lockstep, "prompt": PROMPT[type(prior)]}
    result = paint(mesh, prior=prior, method=method, solver=Splatting(), texture_size=512, **options)
    return result.states, result.worth


PROMPT: dict[type, str] = {Unaware: ""}


def agreement(mesh: Mesh, states: list[Tensor], worth: list[Tensor | None]) -> float:
    """In the state's units."""
    scene, cells = Scene(mesh), states[0].shape[-1]
    pictures = []
    for camera, state, one in zip(paper_views(), states, worth, strict=True):
        view = scene.look(camera, cells)
        weight = None if one is None else one.flatten().numpy()[view.pixel]
        pictures.append(Picture(camera, view, state[0].flatten(1).T.numpy()[view.pixel], weight))
    return view_agreement(scene.atlas(AUXILIARY // 2), pictures)


def coupling(canvas: Canvas, states: list[Tensor], worth: list[Tensor | None]) -> float:
    """Of each view to what the earlier ones show, in the very texels that its cells read; in the state's units."""
    shown, covered = torch.zeros_like(canvas.x_0), torch.zeros_like(canvas.x_0)
    total, count = 0.0, 0
    for window, state, one, outside in zip(canvas.windows, states, worth, canvas.outside, strict=True):
        before, above = window.read(shown), (window.read(covered) > 0) & (outside == 0)
        total, count = total + float((state - before)[above].abs().sum()), count + int(above.sum())
        stands = (1 - outside) if one is None else one * (1 - outside)
        laid = (stands > 0) & ~above
        shown = window.write(shown, torch.where(laid, state, before))
        covered = window.write(covered, torch.where(laid, 1.0, window.read(covered)))
    return total / count


def measure(
    mesh: Mesh, prior: ViewPrior, canvas: Canvas, settings: dict[str, int], method: Method | SyncTweedies, seed: int
) -> tuple[float, float]:
    """Both."""
    states, worth = states_of(mesh, prior, method, seed=seed, **settings)
    return agreement(mesh, states, worth), coupling(canvas, states, worth)


def study(run: Callable[[Method | SyncTweedies, int], tuple[float, float]], seeds: range) -> list[dict[str, object]]:
    """A row a method and measure: mean, standard error, and the paired difference to SyncSDE with its own."""
    found = {name: [run(method, seed) for seed in seeds] for name, method in METHODS.items()}
    rows: list[dict[str, object]] = []
    for k, measure in enumerate(("pairs", "to earlier")):
        for name, both in found.items():
            values = [each[k] for each in both]
            apart = [a - b[k] for a, b in zip(values, found["syncsde"], strict=True)]
            mean, paired = mean_of(values), mean_of(apart)
            rows.append({"measure": measure, "method": name, "mean": mean, "to_syncsde": paired, "values": values})
            print(
                f"{measure:<11} {name:<28} {mean[0]:.4f} ± {mean[1]:.4f}  to SyncSDE {paired[0]:+.4f} ± {paired[1]:.4f}"
            )
    return rows


def mean_of(values: list[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--mesh", type=Path, default=ROOT / "examples" / "meshes" / "spot.obj")
    parser.add_argument("--exemplar", type=Path, default=ROOT / "examples" / "images" / "tulips.png")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument(
        "--size", type=int, default=96, help="of the exemplar prior's views; the ControlNet's have as many cells / 4"
    )
    parser.add_argument("--json", type=Path)
    flags = parser.parse_args()
    mesh, seeds, results = read_mesh(flags.mesh), range(flags.seeds), {}
    mesh = mesh if mesh.uv is not None else unwrap(mesh)
    example = example_of(flags.exemplar, round(0.75 * flags.size))
    exemplar = Unaware(load_prior("exemplar", examples=[example]), (example,))
    network = tiny_controlnet()
    PROMPT[type(network)] = "a cow"
    for name, prior, size, lockstep in (
        ("exemplar, one view after another", exemplar, flags.size, False),
        ("tiny ControlNet, lockstep", network, 8 * flags.size // 2, True),
        ("tiny ControlNet, one view after another", network, 8 * flags.size // 2, False),
    ):
        print(f"\n{name}")
        canvas = canvas_of(Scene(mesh), prior, paper_views(), size, 0, None, 512)

        settings = {"size": size, "steps": flags.steps, "lockstep": lockstep}
        results[name] = study(partial(measure, mesh, prior, canvas, settings), seeds)
    if flags.json:
        settings = {"mesh": flags.mesh.name, "exemplar": flags.exemplar.name, "steps": flags.steps, "size": flags.size}
        write_results(flags.json, settings=settings, agreement=results)


if __name__ == "__main__":
    main()
