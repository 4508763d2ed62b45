"""HumanML3D's own evaluators, `text_mot_match` (Guo et al., CVPR 2022): published FID and R-precision are of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alm_motion.evaluators.networks import MotionEncoder, MovementEncoder, TextEncoder
from alm_motion.evaluators.words import FILES, KINDS, LONGEST, Words, read_words
from alm_motion.features import CHANNELS
from alm_motion.skeleton import Array

__all__ = ["FRAMES", "T2MEvaluator", "load_evaluator"]

FRAMES = 196
"""The most frames that are read. Shorter motions are filled up to it, so that a row is the same in any batch."""
UNIT = 4
CONTACTS = 4
"""The last channels, which the movement encoder is not shown."""
CHECKPOINTS = (
    "finest.tar",
    "model/finest.tar",
    "text_mot_match/model/finest.tar",
    "t2m/text_mot_match/model/finest.tar",
)
METAS = ("meta", "text_mot_match/meta", "Comp_v6_KLD01/meta", "t2m/text_mot_match/meta", "t2m/Comp_v6_KLD01/meta")
GLOVES = ("", "glove")


@dataclass(frozen=True)
class T2MEvaluator:
    """An `Evaluator`. `mean` and `std` (263) are its own; the data set's differ in the root and the contacts.

    `padded_captions` reads each sentence with what fills it up to 22 words, as the released code of GMD and of CondMDI
    reads those of generated motions; MDM's did so too, and was mended (pull request 189). Published scores of texts are
    of one or the other.
    """

    movement: MovementEncoder
    motions: MotionEncoder
    texts: TextEncoder
    words: Words
    mean: Tensor
    std: Tensor
    padded_captions: bool = False

    @property
    def name(self) -> str:
        """See `Evaluator`."""
        return "t2m, padded captions" if self.padded_captions else "t2m"

    @torch.no_grad()
    def motion(self, features: Array, lengths: Sequence[int]) -> Array:
        """See `Evaluator`. Four frames are read at once: a rest of up to three is left out. Raises ValueError."""
        if features.ndim != 3 or features.shape[2] != CHANNELS or len(lengths) != len(features) or len(lengths) == 0:
            raise ValueError(
                f"features (N, F, {CHANNELS}) and N lengths are wanted, got {features.shape} and {len(lengths)}"
            )
        most = min(FRAMES, features.shape[1])
        if min(lengths) < UNIT or max(lengths) > most:
            raise ValueError(f"lengths must be {UNIT} to {most} frames, got {min(lengths)} to {max(lengths)}")
        filled = self.mean.new_zeros(len(features), FRAMES, CHANNELS)
        for row, (frames, length) in enumerate(zip(features, lengths, strict=True)):
            filled[row, :length] = (torch.from_numpy(frames[:length]).to(self.mean) - self.mean) / self.std
        units = torch.tensor([length // UNIT for length in lengths])
        return _numbers(self.motions(self.movement(filled[..., :-CONTACTS]), units))

    @torch.no_grad()
    def text(self, tokens: Sequence[Sequence[str]]) -> Array:
        """See `Evaluator`. The first 20 words are read. Raises ValueError for a token that is not `word/KIND`."""
        if len(tokens) == 0:
            raise ValueError("one sentence or more is wanted, got none")
        vectors, kinds, counts = zip(*(self.words.sentence(each) for each in tokens), strict=True)
        lengths = torch.tensor([LONGEST + 2] * len(counts) if self.padded_captions else counts)
        stacked = (torch.from_numpy(np.stack(each)).to(self.mean) for each in (vectors, kinds))
        return _numbers(self.texts(*stacked, lengths))


def load_evaluator(
    folder: str | Path, *, device: torch.device | str = "cpu", padded_captions: bool = False
) -> T2MEvaluator:
    """The evaluator of a folder that holds `finest.tar`, `meta/mean.npy` and `meta/std.npy`, and the GloVe files.

    They may stand as the downloads leave them: in `t2m/text_mot_match/model`, `t2m/Comp_v6_KLD01/meta` and `glove`.
    Raises FileNotFoundError that says where it looked, or ValueError for a file that is something else.
    """
    folder = Path(folder)
    weights = _find(folder, CHECKPOINTS, "a checkpoint")
    meta = _find(folder, [f"{each}/mean.npy" for each in METAS], "the evaluator's mean and std").parent
    glove = _find(folder, [f"{each}/{FILES[0]}".lstrip("/") for each in GLOVES], "the word vectors").parent
    words = read_words(glove)
    state = _state(weights)
    movement, motions, texts = _networks(weights, state, words.vectors.shape[1])
    mean, std = (_row(meta / name) for name in ("mean.npy", "std.npy"))
    if not bool((std > 0).all()):
        raise ValueError(f"{meta / 'std.npy'} must be above 0 in every channel")
    return T2MEvaluator(
        movement.to(device),
        motions.to(device),
        texts.to(device),
        words,
        mean.to(device),
        std.to(device),
        padded_captions,
    )


def _find(folder: Path, names: Sequence[str], what: str) -> Path:
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise FileNotFoundError(f"{folder} holds no {what}: looked for {', '.join(names)}")
    return found[0]


def _state(path: Path) -> Mapping[str, Mapping[str, Tensor]]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle of anything but tensors, or no pickle
        raise ValueError(f"{path} is not a checkpoint of tensors: {str(error).splitlines()[0]}") from None
    parts = ("movement_encoder", "motion_encoder", "text_encoder")
    if not isinstance(state, dict) or not all(isinstance(state.get(part), dict) for part in parts):
        raise ValueError(f"{path} must hold {', '.join(parts)}: that is text_mot_match's finest.tar")
    return state


def _networks(
    path: Path, state: Mapping[str, Mapping[str, Any]], width: int
) -> tuple[MovementEncoder, MotionEncoder, TextEncoder]:
    """Of the sizes that the weights have, with them."""
    try:
        hidden = len(state["movement_encoder"]["main.0.bias"])
        out = len(state["movement_encoder"]["out_net.bias"])
        movement = MovementEncoder(CHANNELS - CONTACTS, hidden, out)
        motions = MotionEncoder(out, *_sizes(state["motion_encoder"]))
        texts = TextEncoder(width, len(KINDS), *_sizes(state["text_encoder"]))
        for name, network in (("movement_encoder", movement), ("motion_encoder", motions), ("text_encoder", texts)):
            network.load_state_dict(state[name])
            network.float().requires_grad_(False).eval()
    except (KeyError, RuntimeError, TypeError, AttributeError, ValueError) as error:
        first = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} does not hold the evaluators of {CHANNELS} features ({first})") from None
    return movement, motions, texts


def _sizes(state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Of the state and of the embedding."""
    return len(state["input_emb.bias"]), len(state["output_net.3.bias"])


def _row(path: Path) -> Tensor:
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: mean.npy and std.npy come together")
    row = np.load(path, allow_pickle=False)
    if row.shape != (CHANNELS,) or not np.isfinite(row).all():
        raise ValueError(f"{path} must hold {CHANNELS} finite numbers, got {row.shape}")
    return torch.from_numpy(row.astype(np.float32))


def _numbers(embedding: Tensor) -> Array:
    return embedding.double().cpu().numpy()
