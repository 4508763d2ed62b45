"""What the tables of inpainting share (ALM 4.2, 0.B.1), and what the paper leaves open there.

1,000 pairs of a picture and a mask a data set, squares of 512 for Stable Diffusion and of 1,024 for SDXL and FLUX, 50
DDIM steps; X_t by DDIM inversion of the masked picture. LPIPS, MSE, M-SSIM over the hole, MS-SSIM and FSIM to the true
picture. Nothing is pasted back, but in rows with *: there the mask is blurred by a Gaussian of 21 pixels, and the given
part pasted by it, as BrushNet does.

Wanted: `--data`, with a folder a data set: afhq (as StarGAN v2 packs it, {train,val}/{cat,dog,wild}), celeba-hq (one
folder, as CelebAMask-HQ's CelebA-HQ-img, or others in it), seasons and painters (as ComboGAN packs them, train*/ and
test*/). All pictures under such a folder are of its set: give one that holds the test split alone to measure on that.
`--lpips`, a folder with alexnet-owt-7be5be79.pth, and with alex.pth where the package lpips is not installed.

What all tables of inpainting leave open, and what was chosen:

- Which pictures. As many as are wanted by the seed, of all; squares are cut from their middles, and resized (Lanczos).
- Masks. Half are boxes, half free forms, of 20 to 50% of the picture, by the seed and the picture's number, the same at
  every size. With `--masks` they are the files of that folder, which has the pictures' own paths, such as
  afhq/val/cat/1.png, white where to be filled; then pictures without a mask are none of the set.
- Prompts. Those of `--captions`, {"afhq/val/cat/1.jpg": "a cat", …}, or what BLIP says of the whole true square, with
  `--captioner`; else they are empty.
- Guidance. The model's usual one (7.5, SDXL 5, FLUX 3.5) or `--guidance`, in the step of Eq. 2 alone.
- Inversion. By the same prompt, without guidance. The hole is filled smoothly before the picture is encoded, so that
  black does not leak through the autoencoder, and is 0 in latents. The autoencoder's mean is taken, no sample.
- Noise. Picture n has the seed `--seed` + n in every row.
- LPIPS is AlexNet's, MSE of pixels in [-1, 1], SSIM by a Gaussian of 11 pixels, FSIM with colour: docs/evaluate.md says
  why. All but M-SSIM are of the whole picture: what the autoencoder loses is in them.
- Intervals are bootstraps over pictures. Rows that are not in the paper come last, and are run unless `--rows` is
  given. Another model that is given later makes all anew: give them together.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from alm_core import Inversion, Method, Reference
from alm_core.placement import Options, as_device, as_dtype
from alm_core.sample import suited_reference
from alm_image import Gaussian, inpaint, load_prior
from alm_image.evaluation import evaluate_pairs
from alm_image.metrics import LPIPS
from alm_image.metrics.full_reference import MS_SSIM_SIDE
from alm_image.priors.files import component_config
from alm_image.priors.load import FAMILIES, family_of
from alm_image.priors.pipeline import load_pipeline, place
from numpy.typing import NDArray
from PIL import Image

from benchmarks.tables.common import Cells, Job, Measure, Table, interval
from benchmarks.tables.flags import STEPS, real, whole
from benchmarks.tables.pairs import FACES, FOLDERS, pairs_of, prepared, tiny_inpainting

__all__ = ["NOT_IN_PAPER", "OF_OTHERS", "TRAINED", "Raw", "Row", "beside", "paste", "table"]

Array = NDArray[np.float32]
Complete = Callable[[Image.Image, Image.Image, str, int, "Row"], Image.Image]
"""What is made of a picture, a mask, a prompt and a seed, without pasting."""

METRICS = {"LPIPS ↓": "lpips", "MSE ↓": "mse", "M-SSIM ↑": "masked_ssim", "MS-SSIM ↑": "ms_ssim", "FSIM ↑": "fsimc"}
NOT_IN_PAPER = " (not in the paper)"
"""Ends the name of a row that the paper has not."""
OF_OTHERS = "not a method of this library"
TRAINED = "a network that was trained for it"
MODELS = {
    "weights": "stable_diffusion",
    "sdi": "stable_diffusion",
    "sdxl": "sdxl",
    "sdxl_inpainting": "sdxl",
    "flux": "flux",
}
"""The family of the model that a flag names."""
MASKED = ("sdi", "sdxl_inpainting")
"""Those that were trained to inpaint."""
SEEN = 9
"""Channels of their input: the noisy latents, the mask, and the masked picture's latents."""
PIPELINES: dict[str, tuple[str, dict[str, object]]] = {
    "stable_diffusion": (
        "StableDiffusionInpaintPipeline",
        {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
    ),
    "sdxl": ("StableDiffusionXLInpaintPipeline", {}),
}


SMALL = {"size": MS_SSIM_SIDE, "steps": 2, "limit": 2}
"""What --tiny sets beside paths."""


@dataclass(frozen=True)
class Row:
    """How a row's pictures are made: by `way`, with the model whose folder the flag `model` names.

    Without a way the model was trained to inpaint, and is run as diffusers has it. Without a reference X_t is by
    inversion, or drawn anew for methods that want that. `pasted` is the paper's *.
    """

    way: Method | None
    model: str = "weights"
    reference: Reference | None = None
    pasted: bool = False


@dataclass(frozen=True)
class Raw:
    """A blend that pastes nothing: the whole picture as the model made it."""

    def __call__(self, source: Array, generated: Array, mask: Array) -> tuple[Array, Array]:
        """See `alm_image.blend.Blend`."""
        return generated, np.ones_like(mask)


class Models:
    """The models, one at a time in memory: each is loaded when a row wants it."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self._flags, self._name = flags, ""
        self._loaded: tuple[int, Complete] | None = None

    def of(self, row: Row) -> tuple[int, Complete]:
        """The side of the model's pictures, and what completes them."""
        if self._loaded is None or row.model != self._name:
            self._loaded = None  # before the next one takes its place
            load = _trained if row.way is None else _completing
            self._name, self._loaded = row.model, load(self._flags, getattr(self._flags, row.model))
        return self._loaded


def table(
    *,
    name: str,
    text: str,
    paper: Mapping[str, str],
    rows: Callable[[argparse.Namespace], Mapping[str, Row]],
    not_run: Mapping[str, str],
    models: Mapping[str, str],
    tiny: Mapping[str, str],
    small: Mapping[str, object] | None = None,
    masked: bool = False,
    blip: bool = False,
    groups: tuple[str, ...] = FACES,
    loose: tuple[str, ...] = (),
    options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> Table:
    """A table of inpainting. `models` are flags of folders; rows of such as are optional and not given are not run.

    `tiny` has the makers of the models that --tiny has; with `masked` it has masks, too, with `blip` a captioner.
    """
    made_from = {
        "data": f"a folder that holds {' and '.join(FOLDERS[group] for group in groups)}",
        **models,
        "masks": "optional: a folder of masks by the pictures' paths",
        "captions": "optional: a JSON file, {path of a picture: caption}",
        "captioner": "optional: a folder of a BLIP captioner",
    }

    def given(flags: argparse.Namespace) -> dict[str, object]:
        there = tiny if flags.tiny else {model for model in models if getattr(flags, model)}
        return {row: how for row, how in rows(flags).items() if how.model in there}

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--steps", type=STEPS, default=50, help="(50)")
        parser.add_argument("--guidance", type=real(), help="the scale (the model's usual one)")
        size = f"the side of pictures, {MS_SSIM_SIDE} or more for MS-SSIM (the model's own)"
        parser.add_argument("--size", type=whole(MS_SSIM_SIDE, multiple=16), help=size)
        options(parser)

    def start(flags: argparse.Namespace) -> Measure:
        if not any(getattr(flags, model) for model in models):
            raise ValueError(f"no row can be run: give one of {', '.join('--' + _flag(model) for model in models)}")
        return _start(flags, flags.groups or groups)

    return Table(
        name=name,
        text=f"{text}\n{__doc__}",
        groups=groups,
        metrics=tuple(METRICS),
        paper=paper,
        items=1000,
        rows=given,
        not_run=not_run,
        made_from=made_from,
        judged_by={"lpips": "a folder with alexnet-owt-7be5be79.pth, and alex.pth unless the package lpips is there"},
        start=start,
        tiny=partial(tiny_inpainting, models=tiny, groups=groups, masked=masked, blip=blip),
        small={**SMALL, **(small or {})},
        loose=loose,
        options=add,
    )


def beside(paper: Mapping[str, str], *rows: str, groups: int = 2) -> dict[str, str]:
    """The paper's values, and none for these rows, which it has not."""
    return {**paper, **dict.fromkeys((row + NOT_IN_PAPER for row in rows), " ".join("-" * len(METRICS) * groups))}


def _start(flags: argparse.Namespace, groups: Sequence[str]) -> Measure:
    if flags.captions and flags.captioner:
        raise ValueError("captions are given or made: give one of --captions and --captioner")
    measured = [key for key in METRICS.values() if key != "ms_ssim" or find_spec("torchmetrics")]
    if len(measured) < len(METRICS) and not flags.tiny:
        raise ImportError("MS-SSIM wants torchmetrics: pip install 'alm-image[metrics]'")
    for model, family in MODELS.items():
        _check_model(model, family, getattr(flags, model, None))
    lpips = LPIPS.load(folder=flags.lpips, device=flags.device)
    pairs = {group: pairs_of(flags, group) for group in groups}
    models = Models(flags)

    def measure(job: Job) -> tuple[Cells, int]:
        size, complete = models.of(job.way)
        squares = job.shared.under(job.group, group=job.group, size=size)
        made, truths, masks = {}, {}, {}
        for pair in pairs[job.group]:
            name = f"{pair.number:05d}"
            truths[name], masks[name], prompt = prepared(squares, flags, pair, size)
            made[name] = _made(job, complete, truths[name], masks[name], prompt, flags.seed + pair.number)
        found = evaluate_pairs(
            made, truths, masks=masks, metrics=measured, lpips=lpips, seed=flags.seed, device=flags.device
        )
        cells = {name: interval(found[key]) if key in found else None for name, key in METRICS.items()}
        return cells, len(made)

    return measure


def _check_model(model: str, family: str, folder: Path | None) -> None:
    """Raises ValueError where the folder holds another model than its flag is for."""
    if folder is None:
        return
    if (found := family_of(folder)) != family:
        raise ValueError(f"--{_flag(model)} is a folder of {FAMILIES[family]}: {folder} holds {FAMILIES[found]}")
    if family == "flux":
        return
    channels = component_config(folder, "unet")["in_channels"]
    if (channels == SEEN) != (model in MASKED):
        wanted = f"a model that was trained to inpaint, of {SEEN}" if model in MASKED else "a text-to-image model, of 4"
        raise ValueError(f"--{_flag(model)} is {wanted} input channels: {folder} has {channels}")


def _made(job: Job, complete: Complete, truth: Path, mask: Path, prompt: str, seed: int) -> Path:
    """What the row makes of a picture. Rows that differ in pasting alone share what they paste."""
    raw, name = replace(job.way, pasted=False), truth.name.replace("-truth", "")
    store = job.shared.under(f"{job.row}, {job.group}", group=job.group, raw=repr(raw))

    def make(path: Path) -> None:
        complete(Image.open(truth), Image.open(mask), prompt, seed, raw).save(path)

    made = store.file(name, make)
    return job.items.file(name, partial(paste, truth, made, mask), quiet=True) if job.way.pasted else made


def paste(truth: Path, made: Path, mask: Path, path: Path) -> None:
    """Writes what was made, with the given part of the truth over it, mixed around the hole as BrushNet mixes."""
    source, generated, hole = (np.asarray(Image.open(each), np.float32) for each in (truth, made, mask))
    values, _ = Gaussian()(source, generated, hole / 255)
    Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8)).save(path)


def _completing(flags: argparse.Namespace, folder: Path) -> tuple[int, Complete]:
    """By a prior and the row's method."""
    prior = load_prior(folder, device=flags.device, dtype=flags.dtype, guidance=flags.guidance)
    if flags.size:
        prior = replace(prior, size=flags.size)

    def complete(image: Image.Image, mask: Image.Image, prompt: str, seed: int, row: Row) -> Image.Image:
        reference = row.reference or suited_reference(row.way, Inversion())
        told = {"prior": prior, "method": row.way, "reference": reference, "prompt": prompt, "seed": seed}
        return inpaint(image, mask, **told, steps=flags.steps, blend=Raw()).images[0]

    return prior.size, complete


def _trained(flags: argparse.Namespace, folder: Path) -> tuple[int, Complete]:
    """By a network that was trained to inpaint, as diffusers runs it."""
    options = Options(as_device(flags.device), as_dtype(flags.dtype))
    name, without = PIPELINES[family_of(folder)]
    pipe = load_pipeline(name, folder, options, torch.float16, without)
    pipe.set_progress_bar_config(disable=True)
    place(pipe, options)
    size = flags.size or pipe.unet.config.sample_size * pipe.vae_scale_factor
    scale = {} if flags.guidance is None else {"guidance_scale": flags.guidance}

    def complete(image: Image.Image, mask: Image.Image, prompt: str, seed: int, row: Row) -> Image.Image:
        told = {"image": image, "mask_image": mask, "height": size, "width": size, "strength": 1.0, **scale}
        drawn = torch.Generator("cpu").manual_seed(seed)
        return pipe(prompt=prompt, **told, num_inference_steps=flags.steps, generator=drawn).images[0]

    return size, complete


def _flag(name: str) -> str:
    return name.replace("_", "-")
