"""Networks that FVD, KVD and CLIP similarity look with, of files on this machine."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from alm_video.film import Frame

__all__ = ["I3D", "ClipSimilarity"]

SIDE = 224
"""I3D's input, a side."""
FEWEST, MOST = 10, 16
"""Frames that I3D is shown: its last pooling spans more than what is left of fewer."""
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of R, G and B, with which CLIP was trained."""
BATCH = 16


@dataclass(frozen=True)
class I3D:
    """FVD's features: the 400 logits of I3D trained on Kinetics-400, by StyleGAN-V's `i3d_torchscript.pt`.

    Frames are squeezed to 224 × 224 as a whole, bilinearly and without smoothing, as in the first code of FVD. Others
    cut out the middle square: figures compare only where this is the same, and the number of frames.
    """

    detector: Callable[..., Tensor]
    device: torch.device

    @classmethod
    def load(cls, path: str | Path, *, device: str | torch.device = "cpu") -> "I3D":
        """Of the TorchScript file. Raises FileNotFoundError, or ValueError for a file that is something else."""
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"there is no {path}: give FVD's detector, the file i3d_torchscript.pt of StyleGAN-V"
            )
        load: Any = torch.jit.load  # has no types
        try:
            detector = load(str(path), map_location=device).eval()
        except RuntimeError as error:
            reason = shorten(str(error), 100, placeholder=" …")
            raise ValueError(
                f"{path} is no TorchScript file ({reason}): give i3d_torchscript.pt of StyleGAN-V"
            ) from None
        return cls(detector, torch.device(device))

    @torch.no_grad()
    def __call__(self, clips: Frame) -> NDArray[np.float64]:
        """Features (n, 400) of clips, uint8 (n, frames, height, width, 3) of 10 to 16 frames. Raises ValueError."""
        if clips.ndim != 5 or clips.dtype != np.uint8 or clips.shape[4] != 3 or 0 in clips.shape:
            raise ValueError(f"clips are uint8 (n, frames, height, width, 3), got {clips.dtype} {clips.shape}")
        if not FEWEST <= clips.shape[1] <= MOST:
            raise ValueError(f"I3D is shown {FEWEST} to {MOST} frames, got {clips.shape[1]}")
        rows = []
        for clip in clips:
            frames = torch.tensor(clip, device=self.device).permute(0, 3, 1, 2).float()
            video = interpolate(frames, (SIDE, SIDE), mode="bilinear", align_corners=False) / 127.5 - 1
            video = video.transpose(0, 1)[None]  # (1, 3, frames, 224, 224)
            rows.append(self.detector(video, rescale=False, resize=False, return_features=True))
        features: NDArray[np.float64] = torch.cat(rows).double().cpu().numpy()
        if features.ndim != 2 or not np.isfinite(features).all():
            raise ValueError(f"the detector must return finite features (n, D), got {features.shape}")
        return features


@dataclass(frozen=True)
class ClipSimilarity:
    """CLIP's text–video similarity: the mean over frames of the cosine of a frame's embedding and the prompt's.

    It is about 0.2 to 0.35 for pictures of what the prompt says, and not multiplied by 100. ALM does not name its CLIP:
    figures compare only with those of one model.
    """

    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> "ClipSimilarity":
        """Of a CLIP folder as transformers saves it, with its tokenizer; nothing is fetched.

        Raises ImportError where transformers is missing, FileNotFoundError where there is no such model, and ValueError
        where weights are missing or the tokenizer knows no words.
        """
        try:
            from transformers import CLIPModel, CLIPTokenizer
        except ImportError as error:
            raise ImportError(
                f"{error.name or error} is missing, which CLIP's similarity needs: pip install 'alm-video[metrics]'"
            ) from error
        folder = Path(folder).expanduser()
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no CLIP model: give the folder of one, with its config.json")
        model, loaded = CLIPModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        if missing := sorted(loaded["missing_keys"]):
            raise ValueError(f"{folder} lacks {len(missing)} weights of a CLIP model, the first {missing[0]}")
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        word = tokenizer("walk", add_special_tokens=False)["input_ids"]
        if not word or tokenizer.unk_token_id in word:  # what transformers makes where the files are missing
            raise ValueError(f"the tokenizer of {folder} knows no words: put its tokenizer.json beside the model")
        return cls(model.to(device).eval().requires_grad_(False), tokenizer)

    def __call__(self, frames: Iterable[Frame], prompt: str) -> float:
        """The similarity of frames that come one after another and a prompt. Raises ValueError where none comes."""
        text = self.text(prompt)
        cosines = torch.cat([torch.zeros(0), *(self.pictures(part).cpu() @ text.cpu() for part in _batches(frames))])
        if len(cosines) == 0:
            raise ValueError("a similarity wants one frame or more, got none")
        return float(cosines.double().mean())

    @torch.no_grad()
    def text(self, prompt: str) -> Tensor:
        """The unit vector (D) of a prompt, cut where the model's tokens end. Raises ValueError for an empty one."""
        if not prompt.strip():
            raise ValueError("an empty prompt says nothing to be similar to")
        most = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(prompt, truncation=True, max_length=most, return_tensors="pt").to(self.model.device)
        state = self.model.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        return normalize(self.model.text_projection(state.pooler_output)[0].float(), dim=-1)

    @torch.no_grad()
    def pictures(self, frames: list[Frame]) -> Tensor:
        """Unit vectors (n, D) of frames, uint8 (height, width, 3): their middle squares, as CLIP was trained."""
        side = self.model.config.vision_config.image_size
        pixels = torch.from_numpy(np.stack([_square(frame, side) for frame in frames])).permute(0, 3, 1, 2)
        pixels = (pixels.float() / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        state = self.model.vision_model(pixel_values=pixels.to(self.model.device, self.model.dtype))
        return normalize(self.model.visual_projection(state.pooler_output).float(), dim=-1)


def _square(frame: Frame, side: int) -> Frame:
    """The middle, uint8 (side, side, 3), of a frame whose shorter side is made `side`."""
    if frame.ndim != 3 or frame.dtype != np.uint8 or frame.shape[2] != 3:
        raise ValueError(f"frames are uint8 (height, width, 3), got {frame.dtype} {frame.shape}")
    height, width = frame.shape[:2]
    short = min(height, width)
    height, width = side * height // short, side * width // short
    small = np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC))
    top, left = (height - side) // 2, (width - side) // 2
    return small[top : top + side, left : left + side]


def _batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    rest = iter(frames)
    while part := list(islice(rest, BATCH)):
        yield part
