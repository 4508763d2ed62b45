"""LaVie's base model (arXiv 2309.15103): Stable Diffusion 1.4 made one of video, as its authors sample it.

Its betas are linear from 1e-4 to 0.02, and the rest of its scheduler is Stable Diffusion 1.4's: a leading grid from
index 1, which ends at α_0. The scheduler of the folder, whose betas are a picture model's, is not read.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from alm_core import ALM, Inversion, Prediction
from alm_core.grid import DiffusionGrid
from alm_core.guidance import Embedding
from alm_core.placement import Options
from alm_core.schedule import linear
from torch import Tensor

from alm_video.priors import folders
from alm_video.priors.base import Defaults
from alm_video.priors.network import FrameCodec, NetworkPrior
from alm_video.priors.networks.lavie import LaVieConfig, LaVieUNet, load_lavie
from alm_video.priors.text import ClipText

__all__ = ["LaVieNetwork", "load"]

GUIDANCE = 7.5
"""The paper's and the pipeline's own; the published samples use 7."""
SIZE, FRAMES, FPS = (320, 512), 16, 8.0


@dataclass(frozen=True)
class LaVieNetwork:
    """`LaVieUNet` as a `Network` of ε; the embedding is CLIP's states.

    `windows` and `attention_slice` are as the U-Net has them.
    """

    unet: LaVieUNet
    windows: tuple[int, int] | None = None
    attention_slice: int | None = None

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        dtype = self.unet.conv_in.weight.dtype
        out: Tensor = self.unet(
            x.to(dtype),
            torch.tensor([time], device=x.device),
            embedding[0].to(dtype),
            windows=self.windows,
            attention_slice=self.attention_slice,
        )
        return out.to(x.dtype)


def load(checkpoint: Path, base: Path, options: Options) -> NetworkPrior:
    """The prior of lavie_base.pt and the folder of Stable Diffusion 1.4. Raises ValueError, FileNotFoundError."""
    if options.attention not in (None, "slicing"):
        raise ValueError(f"attention of LaVie may be 'slicing' alone, got {options.attention!r}: leave it out")
    config = _config(base)
    width = folders.config(base / "text_encoder").get("hidden_size", config.cross_attention_dim)
    if width != config.cross_attention_dim:
        raise ValueError(
            f"the text encoder in {base} is {width} wide, wanted {config.cross_attention_dim}: give the folder of "
            "Stable Diffusion 1.4"
        )
    folders.check_tokenizer(base / "tokenizer")
    pipe = _pipeline(base, options)
    unet = load_lavie(checkpoint, config, options.narrow(torch.float16))
    codec = folders.picture_codec(pipe.vae, options)
    folders.place([pipe.text_encoder, unet, pipe.vae], options)
    slices = 1 if options.attention == "slicing" else None

    def fused(window: int, stride: int) -> LaVieNetwork:
        if not 1 <= stride <= window:
            raise ValueError(f"the stride must be of 1 frame to the window's {window}, got {stride}")
        return LaVieNetwork(unet, (window, stride), slices)

    alphas = tuple(linear(1e-4, 0.02))
    return NetworkPrior(
        network=LaVieNetwork(unet, None, slices),
        grid=DiffusionGrid(alphas, "leading", Prediction.from_eps, offset=1, final_alpha=alphas[0]),
        codec=FrameCodec(codec),
        text=ClipText(pipe, options.device),
        device=options.device,
        size=SIZE,
        multiple=codec.factor,
        frames=FRAMES,
        fps=FPS,
        guidance=options.scale(GUIDANCE),
        defaults=Defaults(50, ALM(), Inversion(), window=FRAMES, stride=FRAMES // 2),
        fusible=fused,
    )


def _config(base: Path) -> LaVieConfig:
    """By the U-Net of pictures that LaVie's was made from, where its config is there; else the published one's.

    What the file only says because a later diffusers writes out its defaults is passed over.
    """
    path = base / "unet" / "config.json"
    if not path.is_file():
        return LaVieConfig()
    own, usual = {field.name for field in fields(LaVieConfig)}, folders.defaults("UNet2DConditionModel")
    values = folders.json_object(path)
    return LaVieConfig.of({key: each for key, each in values.items() if key in own or each != usual.get(key, key)})


def _pipeline(base: Path, options: Options) -> Any:
    """A Stable Diffusion pipeline of the VAE, the text encoder and the tokenizer alone."""
    import transformers

    library, dtype = folders.library(), options.narrow(torch.float16)
    return library.StableDiffusionPipeline(
        vae=folders.load(library.AutoencoderKL, base / "vae", options, dtype),
        text_encoder=folders.load(transformers.CLIPTextModel, base / "text_encoder", options, dtype),
        tokenizer=folders.load(transformers.CLIPTokenizer, base / "tokenizer", replace(options, variant=None), None),
        unet=None,
        scheduler=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
