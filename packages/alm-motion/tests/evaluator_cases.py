"""What the evaluators' tests and their fixture share: weights by formula, a body that moves, tiny folders of files."""

import pickle
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from alm_motion.skeleton import SMPL22, Array
from scipy.spatial.transform import Rotation
from torch import Tensor

VOCABULARY = ["sos", "a", "person", "walk", "slowly", "left", "eos", "unk", "arm", "stair", "quickly", "him"]
SENTENCES = [
    "a/DET person/NOUN walk/VERB slowly/ADV",
    "him/PRON left/VERB",
    " ".join(["person/NOUN", "walk/NOUN", "left/ADJ", "zebra/NOUN", "arm/VERB", "stair/XYZ"] * 4),
    "quickly/ADV",
    "walk/VERB zebra/NOUN eos/OTHER a/DET",
]
LENGTHS = [44, 196, 7, 61, 120]
SIZES = {"movement_encoder": (259, 6, 5), "motion_encoder": (5, 4, 7), "text_encoder": (9, 15, 3, 7)}


def formula(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Each value is a sine of its place, with a phase from its key: matrices of size 1/fan-in, norms' scales near 1."""
    found = {}
    for key, shape in shapes.items():
        index = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
        wave = torch.sin(index * 12.9898 + zlib.crc32(key.encode()) % 10007).reshape(shape)
        if len(shape) > 1:
            found[key] = (wave * (2 / wave[0].numel()) ** 0.5).float()
        else:
            found[key] = (0.3 * wave + (1 if key.endswith("weight") else 0)).float()
    return found


def numbers(rows: int, columns: int, seed: int) -> Array:
    """Normal numbers that are the same everywhere."""
    return np.random.RandomState(seed).standard_normal((rows, columns))


def body(frames: int, *, speed: float = 0.5, turn: float = 0.3, phase: float = 0.0) -> Array:
    """Joints (frames, 22, 3) at 20 frames a second of a body that begins at the origin facing +Z, stands on y = 0, and
    slides ahead at `speed` m/s and round at `turn` rad/s while its limbs swing."""
    time = np.arange(frames) / 20
    swing = [0.35 * np.sin(time[:, None] * (1 + j % 3) + j + phase) * [1, 0.3, 0.5 * (j % 2)] for j in range(22)]
    rotations = np.stack([Rotation.from_rotvec(each).as_matrix() for each in swing], 1)
    rotations[:, 0] = Rotation.from_rotvec(np.stack([0 * time, turn * time, 0 * time], 1)).as_matrix()
    heading = np.stack([np.sin(turn * time), 0 * time, np.cos(turn * time)], 1)
    translations = np.tile(SMPL22.offsets, (frames, 1, 1))
    translations[:, 0] = np.concatenate([[[0, 0, 0]], np.cumsum(heading[:-1], 0)]) * speed / 20
    joints = SMPL22.forward(rotations, translations)[0]
    return joints - [0, joints[..., 1].min(), 0]


def evaluator_folder(folder: Path, shapes: dict[str, dict[str, Sequence[int]]]) -> Path:
    """A tiny evaluator in the real on-disk format, with weights by formula."""
    (folder / "model").mkdir(parents=True)
    (folder / "meta").mkdir()
    state: dict[str, object] = {part: formula({k: tuple(s) for k, s in each.items()}) for part, each in shapes.items()}
    torch.save({**state, "epoch": 3}, folder / "model" / "finest.tar")
    np.save(folder / "meta" / "mean.npy", 0.1 * numbers(1, 263, 1)[0])
    np.save(folder / "meta" / "std.npy", 0.5 + np.abs(numbers(1, 263, 2)[0]))
    vocabulary(folder)
    return folder


def vocabulary(folder: Path) -> None:
    """The three files of the words, numbered backwards."""
    np.save(folder / "our_vab_data.npy", numbers(len(VOCABULARY), SIZES["text_encoder"][0], 3))
    index = {word: len(VOCABULARY) - 1 - n for n, word in enumerate(VOCABULARY)}
    for name, values in (("words", VOCABULARY), ("idx", index)):
        (folder / f"our_vab_{name}.pkl").write_bytes(pickle.dumps(values))
