"""A source prompt for a picture that has none: by a BLIP captioner, as in the paper's experiments."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from PIL import Image

from alm_image.io import Picture
from alm_image.priors.extras import quiet

__all__ = ["Captioner"]

BEAMS, TOKENS = 3, 30
"""The beams and the greatest length of a caption, as BLIP's authors caption."""


@dataclass(frozen=True)
class Captioner:
    """A BLIP model (`BlipForConditionalGeneration` with its processor); deterministic."""

    model: Any
    processor: Any

    @classmethod
    def load(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> "Captioner":
        """Of a folder; nothing is fetched.

        Raises FileNotFoundError where there is no folder, ValueError where it holds no BLIP captioner, ImportError that
        names the extra where transformers is missing.
        """
        folder = Path(folder).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(
                f"there is no captioner at {folder}: give the folder of a BLIP model, such as "
                "blip-image-captioning-base, or the source prompt itself"
            )
        try:
            from transformers import BlipForConditionalGeneration, BlipProcessor
        except ImportError as error:
            raise ImportError(
                f"{error.name or error} is missing, which a captioner needs: pip install 'alm-image[diffusers]'"
            ) from error
        with quiet():
            try:
                processor = BlipProcessor.from_pretrained(folder, local_files_only=True)
                model = BlipForConditionalGeneration.from_pretrained(folder, local_files_only=True).eval()
            except (OSError, ValueError, TypeError, AttributeError) as error:
                reason = shorten(str(error), 200, placeholder=" …")
                raise ValueError(
                    f"the captioner in {folder} cannot be loaded ({reason}): wanted a BlipForConditionalGeneration "
                    "folder with its processor"
                ) from error
        return cls(model.to(device), processor)

    @torch.no_grad()
    def __call__(self, picture: Picture) -> str:
        """What it says of the picture. Raises ValueError where that is nothing."""
        pixels = (picture.pixels()[0].permute(1, 2, 0) + 1) * 127.5
        inputs = self.processor(images=Image.fromarray(pixels.round().byte().numpy()), return_tensors="pt")
        ids = self.model.generate(
            **inputs.to(self.model.device), num_beams=BEAMS, do_sample=False, max_new_tokens=TOKENS
        )
        text = str(self.processor.decode(ids[0], skip_special_tokens=True)).strip()
        if not text:
            raise ValueError("the captioner found no words for the picture: give the source prompt")
        return text
