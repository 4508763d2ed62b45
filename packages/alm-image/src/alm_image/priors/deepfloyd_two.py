"""DeepFloyd IF, stage II: enlarges a small picture, which it sees beside the noisy large one.

    ε̂ = ε( [x_t, x_n], t, text, n ),    x_n = a_n B(x) + s_n z

B is bilinear enlargement, and n, the index of a level of the model's own noising schedule, says how much of the small
picture x is not to be trusted. Visual Anagrams takes 50; SyncSDE's public code leaves diffusers' 250.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from alm_core.guidance import Condition, Embedding
from alm_core.placement import Options, as_device, as_dtype
from alm_core.schedule import Level, Schedule
from torch import Tensor
from torch.nn.functional import interpolate

from alm_image.priors.conditional_unet import guided_by
from alm_image.priors.deepfloyd import WITHOUT, prior_of
from alm_image.priors.files import component_classes, component_config, local_folder
from alm_image.priors.network import NetworkPrior
from alm_image.priors.pipeline import load_pipeline, prepare_network
from alm_image.priors.text import PipelineText, Text

__all__ = ["NOISE_LEVEL", "Upscaler", "check_upscaler", "load_upscaler", "text_of"]

GUIDANCE = 4.0
"""diffusers' own for stage II; SyncSDE's ambiguous pictures use 10 in both stages."""
NOISE_LEVEL = 50
STAGE_TWO = "DeepFloyd/IF-II-M-v1.0"


@dataclass(frozen=True)
class PairUNet:
    """The U-Net of stage II as a `Network`: the embedding is the text's states, x_n (3, size, size) and n ()."""

    unet: Any

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        dtype = self.unet.dtype
        states, small, level = embedding
        when = torch.full((1,), time, device=x.device)
        both = torch.cat([x, small], 1).to(dtype)
        out: Tensor = self.unet(
            both, when, encoder_hidden_states=states.to(dtype), class_labels=level, return_dict=False
        )[0]
        return out.to(x.dtype)


@dataclass(frozen=True)
class Upscaler:
    """Stage II: `prior` makes pictures of its `size` under conditions of `condition`; `levels` are of each n."""

    prior: NetworkPrior
    levels: tuple[Level, ...]

    @property
    def size(self) -> int:
        """The side in pixels of what it makes."""
        return self.prior.size

    def check_level(self, noise_level: int) -> None:
        """Raises ValueError for an n that the noising schedule does not have."""
        if not 0 <= noise_level < len(self.levels):
            raise ValueError(f"the noise level must lie in 0 to {len(self.levels) - 1}, got {noise_level}")

    def enlarged(self, small: Tensor, z: Tensor, noise_level: int = NOISE_LEVEL) -> Tensor:
        """x_n of small pictures (rows, 3, h, w) in [−1, 1], with standard normal z (rows, 3, size, size)."""
        self.check_level(noise_level)
        n = self.levels[noise_level]
        large = interpolate(small.to(z), (self.size, self.size), mode="bilinear", align_corners=True)
        return n.a * large + n.s * z

    def condition(
        self, prompt: str, negative_prompt: str, noised: Tensor, noise_level: int = NOISE_LEVEL
    ) -> tuple[Condition, ...]:
        """The conditions of rows that see x_n, `noised` (rows, 3, size, size), one a row."""
        text = self.prior.condition(prompt, negative_prompt, self.size, self.size)
        level = torch.tensor(noise_level, device=noised.device)
        return tuple(Condition((*text.positive, row, level), (*text.negative, row, level)) for row in noised)


def load_upscaler(
    id_or_path: str | Path,
    *,
    text: Text | None = None,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    variant: str | None = None,
    guidance: float | None = None,
    offload: bool = False,
    attention: str | None = None,
) -> Upscaler:
    """Stage II of a model folder or a hub id; the options are those of `load_prior`.

    `text` is another stage's (`text_of`): both stages read the same T5, of 11 GB, which is then loaded once. Raises
    FileNotFoundError where there is no such model, ValueError where it is no stage II, or has no text encoder and none
    is given.
    """
    options = Options(
        device=as_device(device),
        dtype=as_dtype(dtype),
        variant=variant,
        guidance=guidance,
        offload=offload,
        attention=attention,
    )
    folder = check_upscaler(id_or_path, variant)
    _check_text(folder, text)
    parts = WITHOUT | ({"text_encoder": None} if text else {})
    pipe = load_pipeline("IFSuperResolutionPipeline", folder, options, torch.bfloat16, parts)
    prepare_network(pipe.unet, options.attention)
    scale = options.scale(GUIDANCE)
    both = guided_by(PairUNet(pipe.unet), scale)
    prior = prior_of(pipe, both, scale, pipe.unet.config.in_channels // 2, options, text)
    return Upscaler(prior, _levels(pipe.image_noising_scheduler.alphas_cumprod))


def _levels(alphas: Tensor) -> tuple[Level, ...]:
    """The level of each index of a noising schedule with these cumulative α, from the cleanest."""
    *levels, _ = Schedule.vp(alphas.double().tolist(), range(len(alphas))[::-1]).levels
    return tuple(reversed(levels))


def text_of(prior: object) -> Text | None:
    """The text of a DeepFloyd IF stage I, for its stage II to share; None of any other prior."""
    if isinstance(prior, NetworkPrior) and isinstance(prior.text, PipelineText):
        return prior.text if type(prior.text.pipe).__name__ == "IFPipeline" else None
    return None


def check_upscaler(id_or_path: str | Path, variant: str | None = None) -> Path:
    """The folder of a stage II, without its weights being read.

    Raises FileNotFoundError where there is no such model, ValueError where it is no stage II.
    """
    folder = local_folder(id_or_path, variant, STAGE_TWO)
    classes = component_classes(folder) if folder.is_dir() else {"pipeline": "file"}
    parts = {"unet": "UNet2DConditionModel", "image_noising_scheduler": None}
    if any(name not in classes or kind not in (None, classes[name]) for name, kind in parts.items()):
        raise ValueError(
            f"{folder} holds a {classes['pipeline'] or 'bare network'}, which enlarges no pictures: wanted a DeepFloyd "
            f"IF stage II, such as {STAGE_TWO}"
        )
    config = component_config(folder, "unet")
    if config["in_channels"] != 6 or not config.get("class_embed_type"):
        raise ValueError(
            f"the U-Net of {folder} takes {config['in_channels']} input channels and class labels "
            f"{config.get('class_embed_type')}: wanted 6, a noisy picture and a small one, and a noise level"
        )
    return folder


def _check_text(folder: Path, text: Text | None) -> None:
    if text is None and "text_encoder" not in component_classes(folder):
        raise ValueError(
            f"{folder} has no text encoder, and the model has none to share: give a stage I of DeepFloyd IF as the "
            "model, or fetch the text encoder of stage II too"
        )
