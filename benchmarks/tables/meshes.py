"""What the tables of mesh texturing share: the prior, the mesh–prompt pairs, and pictures of painted meshes."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from alm_core import Independent, Method, Step
from alm_texture import Camera, Mesh, Splatting, load_prior, paint, read_mesh, render, unwrap
from alm_texture.io import save_images
from torch import Tensor

from benchmarks.tables.flags import STEPS, whole
from benchmarks.tables.pictures import tiny_judges
from benchmarks.tables.store import Store
from benchmarks.tables.tiny import makers

__all__ = ["MADE_FROM", "SMALL", "Painter", "Pair", "Until", "options", "pairs_of", "tiny_meshes"]

MADE_FROM = {
    "data": 'a folder of meshes with prompts.json, {"chair.glb": "a carved oak chair", …}',
    "weights": "a folder of Stable Diffusion 1.5",
    "controlnet": "a folder of its depth ControlNet (control_v11f1p_sd15_depth)",
}
SMALL = {"steps": 5, "size": 32, "texture_size": 64}
"""What --tiny sets beside paths."""
QUALITY = "Best quality, extremely detailed "
"""What released code says before each prompt."""


@dataclass(frozen=True)
class Pair:
    """A mesh and what it is to look like; `name` is that of its file without the ending."""

    name: str
    path: Path
    prompt: str


@dataclass(frozen=True)
class Until(Method):
    """A method in the first `share` of the steps; then each view goes on alone."""

    method: Method
    share: float = 0.8

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """See `Method`."""
        coupled = at.index < round(at.count * self.share)
        return (self.method if coupled else Independent()).step(y_t, at)


def options(parser: argparse.ArgumentParser) -> None:
    """The sizes of both papers."""
    parser.add_argument("--steps", type=STEPS, default=30, help="(30)")
    parser.add_argument(
        "--size", type=whole(8, multiple=8), default=768, help="of views, and of pictures that are measured (768)"
    )
    parser.add_argument("--texture-size", type=whole(16), default=1024, help="(1024)")


def pairs_of(folder: Path, count: int) -> list[Pair]:
    """The first pairs of a folder, in the order of its prompts.json. Raises ValueError for what is amiss in it."""
    try:
        named = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
        pairs = [Pair(Path(name).stem, folder / name, str(prompt)) for name, prompt in named.items()]
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{folder} must hold prompts.json, {{file: prompt}}: {error}") from None
    missing = [str(pair.path) for pair in pairs if not pair.path.is_file()]
    if missing or len({pair.name for pair in pairs}) < len(pairs) or len(pairs) == 0:
        raise ValueError(
            f"{folder / 'prompts.json'} must name meshes that are there: there is no {missing[:1] or 'other'}"
        )
    return pairs[:count]


class Painter:
    """Paints meshes and keeps pictures of them."""

    def __init__(self, flags: argparse.Namespace) -> None:
        loaded = {"controlnet": flags.controlnet, "device": flags.device, "dtype": flags.dtype}
        self.flags, self.prior = flags, load_prior(flags.weights, **loaded)
        self.alone = load_prior(flags.weights, cross_view=False, **loaded)

    def painted(
        self, store: Store, name: str, pair: Pair, way: object, views: Sequence[Camera], seed: int
    ) -> list[Path]:
        """Pictures on white of the mesh as painted from the papers' ten views, one a view of `views`."""

        def make(folder: Path) -> None:
            mesh, flags = self._mesh(pair), self.flags
            told = {"steps": flags.steps, "size": flags.size, "texture_size": flags.texture_size, "seed": seed}
            made = paint(mesh, prior=self.prior, method=way, prompt=QUALITY + pair.prompt, **told)
            self._save(folder, render(mesh, views, size=flags.size, textures=made.textures))

        return self._kept(store, name, make, len(views))

    def reference(self, store: Store, name: str, pair: Pair, views: Sequence[Camera], seed: int) -> list[Path]:
        """Pictures on white that the model makes of the mesh's depth, each view by itself."""

        def make(folder: Path) -> None:
            told = {"steps": self.flags.steps, "size": self.flags.size, "seed": seed, "prompt": QUALITY + pair.prompt}
            # The texture is not looked at: it may be small, and made quickly.
            told |= {"texture_size": 64, "solver": Splatting()}
            mesh = self._mesh(pair)
            made = paint(mesh, prior=self.alone, method=Independent(), cameras=views, lockstep=True, **told)
            self._save(folder, made.views)

        return self._kept(store, name, make, len(views))

    def _mesh(self, pair: Pair) -> Mesh:
        return unwrap(read_mesh(pair.path, keep_uv=False), size=self.flags.texture_size)

    @staticmethod
    def _kept(store: Store, name: str, make: Callable[[Path], None], count: int) -> list[Path]:
        folder = store.file(name, make)
        return [folder / f"view-{number}.png" for number in range(count)]

    @staticmethod
    def _save(folder: Path, pictures: Sequence[np.ndarray]) -> None:
        folder.mkdir()
        for number, picture in enumerate(pictures):
            colours, alpha = picture[..., :3].astype(float), picture[..., 3:] / 255 if picture.shape[2] == 4 else 1.0
            white = np.rint(colours * alpha + 255 * (1 - alpha)).astype(np.uint8)
            save_images([(white, folder / f"view-{number}.png")])


def tiny_meshes(folder: Path) -> dict[str, object]:
    """The flags of two small balls and tiny networks."""
    models = makers("alm-texture", "tiny_controlnet").FOLDERS
    models["sd"](folder / "sd")
    models["sd_depth"](folder / "depth")
    (folder / "meshes").mkdir()
    for name, levels in (("ball", 2), ("stone", 1)):
        trimesh.creation.icosphere(levels).export(folder / "meshes" / f"{name}.ply")
    prompts = {"ball.ply": "a ball", "stone.ply": "a stone"}
    (folder / "meshes" / "prompts.json").write_text(json.dumps(prompts), encoding="utf-8")
    paths = {"data": folder / "meshes", "weights": folder / "sd", "controlnet": folder / "depth"}
    return {**paths, **tiny_judges(folder)}
