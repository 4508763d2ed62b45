"""Stable Diffusion 1.x, 2.x and XL with a ControlNet that is told each view's depth.

The settings are the papers' for Stable Diffusion 1.5: 30 DDIM steps, guidance 15.5, a ControlNet of constant strength,
views of one and a half times the trained size, and no ΔY in the last fifth of the steps.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from alm_core import ALM, Conditions, FixedNoise, Level, Prediction, Prior, Schedule
from alm_core.codec import VaeCodec, check_multiple
from alm_core.grid import Grid, grid_of
from alm_core.guidance import ClassifierFree, Condition, Embedding, Evaluate, Unguided, known_conditions
from alm_core.placement import Options
from torch import Tensor

from alm_texture.camera import direction_of
from alm_texture.priors.attention import gather, install
from alm_texture.priors.backdrop import backdrop
from alm_texture.priors.base import Defaults, View
from alm_texture.priors.depth import nearness
from alm_texture.priors.folders import check_folders, open_pipeline
from alm_texture.priors.ring import rings
from alm_texture.priors.words import NEGATIVE_PROMPT, OPPOSITE, directed

__all__ = ["ControlNetDepth", "load"]

GUIDANCE = {False: 15.5, True: 5.0}
"""Without and with a second text encoder: SyncMVD's for Stable Diffusion 1.5; diffusers' own for SDXL, for which no
paper gives one."""
STRENGTH = {False: 0.7, True: 0.5}
"""Of the ControlNet, in the same order. 0.7 is what the released code comes to, whatever its help says of 0.9; 0.5 is
what diffusers advises for SDXL. Released code drops the ControlNet in the last step; here it is told to the end."""
ENLARGED = 512
"""Models trained at up to so many pixels paint views half as large again: 768 for Stable Diffusion 1.5, as ALM B.4."""
REFERENCE_WEIGHT = 1.0
REFERENCE_UNTIL = 0.2
"""The front view is read at this weight while t is above this share of the training steps, and not at all after."""
NONE = -1


@dataclass(frozen=True)
class ControlledUNet:
    """A U-Net with a ControlNet beside it, as an `alm_core.guidance.Network`.

    The embedding is who reads whom (see `gather`; kept in main memory, where it is read), the nearness (1, h, w), the
    text's states (tokens, width) and, for SDXL, the pooled text (width,) and the sizes (6,). From the time `late` on,
    the reference is not read.
    """

    unet: Any
    controlnet: Any
    strength: float
    cross_view: bool
    late: float

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`: one call of each for all rows."""
        views, near, *text = embedding
        states, *more = (part.to(self.unet.dtype) for part in text)
        sample = x.to(self.unet.dtype)
        when = torch.full((1,), time, device=x.device)  # made there: a number would be copied over at each call
        told = {
            "encoder_hidden_states": states,
            "added_cond_kwargs": dict(zip(("text_embeds", "time_ids"), more, strict=True)) if more else None,
            "return_dict": False,
        }
        shown = near.to(sample.dtype).expand(-1, 3, -1, -1)
        down, mid = self.controlnet(sample, when, controlnet_cond=shown, conditioning_scale=self.strength, **told)
        weight = REFERENCE_WEIGHT if time > self.late else 0.0
        readers = gather(views.tolist(), weight, x.device) if self.cross_view else None
        out: Tensor = self.unet(
            sample,
            when,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
            cross_attention_kwargs=None if readers is None else {"views": readers},
            **told,
        )[0]
        return out.to(x.dtype)


@dataclass(frozen=True)
class Texts:
    """The pipeline's own `encode_prompt`; for SDXL with its pooled texts and the size of a whole view."""

    pipe: Any
    device: torch.device

    @torch.no_grad()
    def __call__(self, prompt: str, negative_prompt: str, size: int) -> tuple[Embedding, Embedding]:
        """The positive and the negative embedding."""
        parts = self.pipe.encode_prompt(
            prompt=prompt,
            negative_prompt=negative_prompt,
            device=self.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
        )
        positive, negative = (tuple(part[0] for part in parts[branch::2]) for branch in (0, 1))
        sizes = (torch.tensor([size, size, 0, 0, size, size], device=self.device),) if len(positive) == 2 else ()
        return (*positive, *sizes), (*negative, *sizes)


@dataclass(frozen=True)
class ControlNetDepth:
    """A `ViewPrior` of latents. `plain` answers `predict`, `guided` answers `predict_guided`, in one network call each.

    With `lockstep` rows of one batch read each other (see `alm_texture.priors.attention`): a row then depends on the
    other views of its set, and only without it are rows independent.
    """

    plain: Evaluate
    guided: Evaluate
    grid: Grid
    codec: VaeCodec
    texts: Texts
    device: torch.device
    dtype: torch.dtype
    size: int
    guidance: float
    lockstep: bool
    identity: str
    # FixedNoise is how released code noises what is given, with the roots that it leaves out: √α X + √(1 − α) ε.
    defaults: Defaults = field(default_factory=lambda: Defaults(30, ALM(off_last=0.2), FixedNoise()))

    @property
    def factor(self) -> int:
        """See `ViewPrior`."""
        return self.codec.factor

    @property
    def multiple(self) -> int:
        """See `ViewPrior`."""
        return self.codec.factor

    @property
    def guided_rows(self) -> int:
        """See `Prior`."""
        return self.guided.rows

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""
        return self._predict(self.plain, x_t, level, conditions)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""
        return self._predict(self.guided, x_t, level, conditions)

    @property
    def shared(self) -> bool:
        """See `ViewPrior`."""
        return True

    def given(self, x_0: Tensor, mask: Tensor, outside: Tensor) -> Prior:
        """See `ViewPrior`: the networks themselves."""
        return self

    def schedule(self, steps: int) -> Schedule:
        """See `ViewPrior`."""
        return self.grid.schedule(steps, 1)

    def encode(self, pixels: Tensor) -> Tensor:
        """See `ViewPrior`: the mean of the VAE's posterior, so that it is deterministic."""
        check_multiple(pixels.shape[-2], pixels.shape[-1], self.multiple)
        return self.codec.encode(pixels)

    def decode(self, state: Tensor) -> Tensor:
        """See `ViewPrior`."""
        return self.codec.decode(state)

    def condition(self, prompt: str, negative_prompt: str, view: View) -> Condition:
        """See `ViewPrior`: the view's depth and text, with words for its direction.

        An empty negative prompt is `NEGATIVE_PROMPT`; words are added to it too, of the opposite direction.
        """
        size = view.fragments.height
        check_multiple(size, view.fragments.width, self.multiple)
        direction = direction_of(view.camera)
        positive, negative = self.texts(
            directed(prompt, direction), directed(negative_prompt or NEGATIVE_PROMPT, OPPOSITE[direction]), size
        )
        front, beside = rings(view.cameras)
        padded = (*beside[view.index], NONE, NONE)[:2]
        shown = torch.tensor([view.index, front, *padded]), nearness(view.fragments).to(self.device, self.dtype)
        return Condition((*shown, *positive), (*shown, *negative))

    def backdrop(self, view: View, seed: int) -> Tensor:
        """See `ViewPrior`: one colour, to be given to the sampler as observed. It stays for the whole run."""
        return backdrop(view.fragments.height, seed, view.index).to(self.device)

    def _predict(self, evaluate: Evaluate, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        rows: Sequence[Condition] = known_conditions(conditions, len(x_t))
        return self.grid.convert(x_t, level, evaluate(x_t, level.t, rows))


def load(folder: Path, controlnet_folder: Path, options: Options, *, cross_view: bool = True) -> ControlNetDepth:
    """The prior of a Stable Diffusion or SDXL folder and a ControlNet's. Raises ValueError, ImportError."""
    if cross_view and options.attention == "slicing":
        raise ValueError("attention='slicing' is not offered where views attend to each other: give cross_view=False")
    two = check_folders(folder, controlnet_folder)
    pipe = open_pipeline(folder, controlnet_folder, options, two=two)
    codec = VaeCodec(pipe.vae, options.device, tiling=options.vae_tiling)
    if options.attention == "slicing":
        pipe.enable_attention_slicing()
    elif options.attention is not None:
        pipe.unet.set_attention_backend(options.attention)
    if cross_view:
        install(pipe.unet)
    late = REFERENCE_UNTIL * pipe.scheduler.config.num_train_timesteps
    network = ControlledUNet(pipe.unet, pipe.controlnet, STRENGTH[two], cross_view, late)
    scale = options.scale(GUIDANCE[two])
    trained = pipe.unet.config.sample_size * codec.factor
    plain = Unguided(network)
    return ControlNetDepth(
        plain=plain,
        guided=plain if scale == 1 else ClassifierFree(network, scale),
        grid=grid_of(pipe.scheduler),
        codec=codec,
        texts=Texts(pipe, options.device),
        device=options.device,
        dtype=pipe.unet.dtype,
        size=trained * 3 // 2 if trained <= ENLARGED else trained,
        guidance=scale,
        lockstep=cross_view,
        identity=_identity(pipe, network.strength, scale, cross_view),
    )


def _identity(pipe: Any, *settings: object) -> str:
    """A hash of the settings, the scheduler's, and the two ends of every weight: the same wherever the folders lie."""
    scheduler = sorted((key, value) for key, value in pipe.scheduler.config.items() if not key.startswith("_"))
    digest = hashlib.blake2b(repr((settings, scheduler)).encode(), digest_size=16)
    for name, part in sorted(pipe.components.items()):
        if isinstance(part, torch.nn.Module):
            ends = [weight.flatten()[:: max(weight.numel() - 1, 1)].float() for weight in part.parameters()]
            digest.update(name.encode() + torch.cat(ends).cpu().numpy().tobytes())
    return f"controlnet {digest.hexdigest()}"
