"""What docs/tasks.md names: small inputs, and tiny models with random weights in folders of the same names."""

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["inputs", "need"]

ROOT = Path(__file__).resolve().parent.parent
for package in ("image", "motion", "texture", "video"):
    sys.path.insert(0, str(ROOT / "packages" / f"alm-{package}" / "tests"))


def inputs(folder: Path) -> None:
    """Small inputs of every kind by the names on the page, made by the packages' own test helpers."""
    rng = np.random.default_rng(0)
    for name in ("photo.png", "lake.png", "tulips.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / name)
    mask = np.zeros((32, 32), np.uint8)
    mask[10:22, 8:20] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    (folder / "walk.bvh").write_text(import_module("walker").text(150), encoding="utf-8")
    import_module("alm_texture").save_mesh(
        import_module("shapes").uv_sphere(), [np.zeros((16, 16, 3), np.uint8)], folder / "ball.glb"
    )
    (folder / "views.json").write_text(json.dumps([{"azimuth": at, "elevation": 0} for at in (0, 60, 120)]))
    films = import_module("films")
    films.made(folder / "clip.mp4", films.natural(12, 16, 24))


def need(folder: Path, words: Sequence[str]) -> None:
    """Makes the models that a command names, on first use."""
    for word in words:
        name = word.split("/")[0]
        if name in MODELS and not (folder / name).exists():
            MODELS[name](folder / name)


def _of(module: str, name: str) -> Callable[[Path], None]:
    """The maker of that name in the `FOLDERS` or `MAKERS` of a package's test helper."""

    def make(folder: Path) -> None:
        helper = import_module(module)
        makers = getattr(helper, "FOLDERS", None) or helper.MAKERS
        makers[name](folder)

    return make


def _motion(name: str, **arguments: object) -> Callable[[Path], None]:
    return lambda folder: getattr(import_module("tiny_motion"), name)(folder, **arguments)


MODELS: dict[str, Callable[[Path], None]] = {
    "stable-diffusion": _of("tiny", "stable_diffusion"),
    "sdxl": _of("tiny", "sdxl"),
    "flux": _of("tiny", "flux_dev"),
    "deepfloyd-if": _of("tiny", "deepfloyd"),
    "deepfloyd-if-two": _of("tiny", "deepfloyd_super"),
    "pixel-unet": _of("tiny", "pixel_epsilon"),
    "guided-diffusion": _of("tiny", "guided_diffusion"),
    "trained": _motion("trained"),
    "gmd": _motion("published", unconstrained=True),
    "condmdi": _motion("published", unconstrained=True, keyframe_conditioned=True),
    "mdm": _motion("mdm"),
    "sd-with-depth": _of("tiny_controlnet", "sd"),
    "depth": _of("tiny_controlnet", "sd_depth"),
    "sdxl-with-depth": _of("tiny_controlnet", "sdxl"),
    "sdxl-depth": _of("tiny_controlnet", "sdxl_depth"),
    "lavie": _of("tiny_video", "lavie"),
    "animatediff": _of("tiny_video", "animatediff"),
    "wan": _of("tiny_video", "wan"),
}
"""The folders that the page names, and what makes them."""
