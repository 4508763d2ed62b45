"""What a prompt becomes: the text encoder's states, cut and cleaned as diffusers' pipelines do."""

from dataclasses import dataclass
from typing import Any

import torch
from alm_core.guidance import Condition

__all__ = ["ClipText", "UmtText"]


@dataclass(frozen=True)
class ClipText:
    """CLIP's states (77, width), as Stable Diffusion and what was made from it read them."""

    pipe: Any
    device: torch.device

    @torch.no_grad()
    def __call__(self, prompt: str, negative_prompt: str) -> Condition:
        """See `VideoPrior.condition`."""
        positive, negative = self.pipe.encode_prompt(
            prompt=prompt,
            device=self.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
            negative_prompt=negative_prompt,
        )[:2]
        return Condition((positive[0],), (negative[0],))


@dataclass(frozen=True)
class UmtText:
    """UMT5's states (`tokens`, width), zeros after the end of the prompt, as Wan reads them."""

    pipe: Any
    device: torch.device
    tokens: int = 512

    @torch.no_grad()
    def __call__(self, prompt: str, negative_prompt: str) -> Condition:
        """See `VideoPrior.condition`."""
        positive, negative = self.pipe.encode_prompt(
            prompt=prompt, negative_prompt=negative_prompt, device=self.device, max_sequence_length=self.tokens
        )
        return Condition((positive[0],), (negative[0],))
