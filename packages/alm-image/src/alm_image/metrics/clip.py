"""CLIP's likeness of a picture and a prompt: the cosine of their embeddings (Radford et al. 2021).

    cosine: e_picture · e_prompt        hessel: 2.5 · max(cosine, 0)        percent: 100 · max(cosine, 0)

Both papers' CLIP-S, about 0.3, is the plain cosine. CLIPScore (Hessel et al. 2021) is the second and torchmetrics' the
third. Neither paper names its CLIP: figures compare only with those of one model.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from alm_image.metrics.pixels import check_pixels, to_levels

__all__ = ["Clip", "ClipScale"]

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of R, G and B, with which CLIP was trained."""
WEIGHTS = {"hessel": 2.5, "percent": 100.0}


class ClipScale(StrEnum):
    """How a cosine is given: as it is, as Hessel et al., or of a hundred. The latter two have nothing below 0."""

    COSINE = "cosine"
    HESSEL = "hessel"
    PERCENT = "percent"

    def of(self, cosines: Tensor) -> Tensor:
        """The cosines in this scale."""
        return cosines if self is ClipScale.COSINE else WEIGHTS[self.value] * cosines.clamp(min=0)


@dataclass(frozen=True)
class Clip:
    """A CLIP model and its tokenizer, as transformers saves them."""

    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> "Clip":
        """Of a folder with the model and its tokenizer; nothing is fetched.

        In float32, whatever the files hold, so that scores compare across machines. Raises ImportError where
        transformers is missing, FileNotFoundError where there is no such model, and ValueError where weights are
        missing or the tokenizer knows no words.
        """
        try:
            from transformers import CLIPModel, CLIPTokenizer
        except ImportError as error:
            raise ImportError(
                f"{error.name or error} is missing, which CLIP needs: pip install 'alm-image[metrics]'"
            ) from error
        folder = Path(folder).expanduser()
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no CLIP model: give the folder of one, with its config.json")
        model, loaded = CLIPModel.from_pretrained(
            folder, torch_dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
        if missing := sorted(loaded["missing_keys"]):
            raise ValueError(f"{folder} lacks {len(missing)} weights of a CLIP model, the first {missing[0]}")
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        word = tokenizer("walk", add_special_tokens=False)["input_ids"]
        if not word or tokenizer.unk_token_id in word:  # what transformers makes where the files are missing
            raise ValueError(f"the tokenizer of {folder} knows no words: put its tokenizer.json beside the model")
        return cls(model.to(device).eval().requires_grad_(False), tokenizer)

    @property
    def width(self) -> int:
        """Of its embeddings: 768 for ViT-L/14, 512 for ViT-B/32 and ViT-B/16."""
        return int(self.model.config.projection_dim)

    def cosines(self, pixels: Tensor, prompts: Sequence[str]) -> Tensor:
        """(n,) in [−1, 1] of pixels (n, 3, height, width) in [−1, 1] and their prompts. Raises ValueError."""
        if len(pixels) != len(prompts):
            raise ValueError(f"a prompt for each picture is wanted, got {len(prompts)} for {len(pixels)}")
        return self.likeness(prompts)(pixels, prompts)

    def likeness(self, prompts: Iterable[str]) -> Callable[[Tensor, Sequence[str]], Tensor]:
        """`cosines` with some of these prompts, which are read here, each once."""
        unique = list(dict.fromkeys(prompts))
        texts = dict(zip(unique, self.texts(unique), strict=True))

        def cosines(pixels: Tensor, told: Sequence[str]) -> Tensor:
            return (self.pictures(pixels) * torch.stack([texts[prompt] for prompt in told])).sum(1)

        return cosines

    @torch.no_grad()
    def texts(self, prompts: Sequence[str]) -> Tensor:
        """Unit vectors (n, width), each cut where the model's tokens end. Raises ValueError for an empty prompt."""
        if not all(prompt.strip() for prompt in prompts):
            raise ValueError("an empty prompt says nothing to be like")
        most = self.model.config.text_config.max_position_embeddings
        rows = []
        for prompt in prompts:  # one by one, so that none is padded
            tokens = self.tokenizer(prompt, truncation=True, max_length=most, return_tensors="pt").to(self.model.device)
            state = self.model.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
            rows.append(self.model.text_projection(state.pooler_output))
        return normalize(torch.cat(rows).float(), dim=-1)

    @torch.no_grad()
    def pictures(self, pixels: Tensor) -> Tensor:
        """Unit vectors (n, width) of pixels (n, 3, height, width) in [−1, 1]: of their middle squares, as in training.

        They are made smaller as 8-bit pictures, bicubically, as CLIP's own code does.
        """
        side = self.model.config.vision_config.image_size
        levels = to_levels(check_pixels(pixels)).permute(0, 2, 3, 1).cpu().numpy()
        small = torch.from_numpy(np.stack([_square(each, side) for each in levels])).permute(0, 3, 1, 2)
        small = (small.float() / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        state = self.model.vision_model(pixel_values=small.to(self.model.device, self.model.dtype))
        return normalize(self.model.visual_projection(state.pooler_output).float(), dim=-1)


def _square(levels: np.ndarray[Any, np.dtype[np.uint8]], side: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The middle, uint8 (side, side, 3), of a picture whose shorter side is made `side`."""
    height, width = levels.shape[:2]
    short = min(height, width)
    height, width = side * height // short, side * width // short
    small = np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC))
    top, left = (height - side) // 2, (width - side) // 2
    return small[top : top + side, left : left + side]
