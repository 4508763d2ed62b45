"""What a prompt becomes: the pipeline's text encoders, a class number, or a refusal."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from alm_core.guidance import Condition

__all__ = ["ClassText", "NoText", "PipelineText", "Text"]


class Text(Protocol):
    """Makes conditions."""

    def __call__(self, prompt: str, negative_prompt: str, height: int, width: int) -> Condition:
        """See `ImagePrior.condition`."""


@dataclass(frozen=True)
class NoText:
    """An unconditional model: refuses a prompt."""

    family: str

    def __call__(self, prompt: str, negative_prompt: str, height: int, width: int) -> Condition:
        """See `ImagePrior.condition`."""
        if prompt or negative_prompt:
            raise ValueError(
                f"this {self.family} model is unconditional and takes no prompt, got {prompt or negative_prompt!r}: "
                "leave the prompt out, or use a text-to-image model such as Stable Diffusion"
            )
        return Condition()


@dataclass(frozen=True)
class ClassText:
    """The prompt of a class-conditional model is a class number."""

    classes: int
    device: torch.device

    def __call__(self, prompt: str, negative_prompt: str, height: int, width: int) -> Condition:
        """See `ImagePrior.condition`."""
        if negative_prompt:
            raise ValueError(f"a class-conditional model has no negative prompt, got {negative_prompt!r}: leave it out")
        if not prompt.strip().isdecimal() or int(prompt) >= self.classes:
            raise ValueError(
                f"this model is conditioned on a class: the prompt must be a number from 0 to {self.classes - 1}, "
                f"got {prompt!r}"
            )
        return Condition(positive=(torch.tensor(int(prompt), device=self.device),))


@dataclass(frozen=True)
class PipelineText:
    """The pipeline's own `encode_prompt`, so long prompts are cut and textual inversions read as it does."""

    pipe: Any
    device: torch.device

    @torch.no_grad()
    def __call__(self, prompt: str, negative_prompt: str, height: int, width: int) -> Condition:
        """See `ImagePrior.condition`."""
        positive, negative = self.pipe.encode_prompt(
            prompt=prompt,
            device=self.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
            negative_prompt=negative_prompt,
        )[:2]
        return Condition((positive[0],), (negative[0],))
