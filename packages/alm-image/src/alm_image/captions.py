"""A source prompt for a picture that has none: by a BLIP captioner, as in the paper's experiments."""

from pathlib import Path
from textwrap import shorten

import torch
from PIL import Image

from alm_image.io import Picture
from alm_image.priors.extras import quiet

__all__ = ["caption"]

BEAMS, TOKENS = 3, 30
"""The beams and the greatest length of a caption, as BLIP's authors caption."""


def caption(picture: Picture, folder: str | Path) -> str:
    """What the BLIP model in the folder (`BlipForConditionalGeneration` with its processor) says of the picture.

    Deterministic. Nothing is fetched. Raises FileNotFoundError where there is no folder, ValueError where it holds no
    BLIP captioner, ImportError that names the extra where transformers is missing.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no captioner at {folder}: give the folder of a BLIP model, such as blip-image-captioning-base, "
            "or the source prompt itself"
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
                f"the captioner in {folder} cannot be loaded ({reason}): wanted a BlipForConditionalGeneration folder "
                "with its processor"
            ) from error
    pixels = (picture.pixels()[0].permute(1, 2, 0) + 1) * 127.5
    inputs = processor(images=Image.fromarray(pixels.round().byte().numpy()), return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**inputs, num_beams=BEAMS, do_sample=False, max_new_tokens=TOKENS)
    text = str(processor.decode(ids[0], skip_special_tokens=True)).strip()
    if not text:
        raise ValueError(f"the captioner in {folder} found no words for the picture: give the source prompt")
    return text
