"""Words as HumanML3D writes them, `walk/VERB`, as GloVe vectors (Pennington et al. 2014) and one of 15 kinds, one-hot.

Some words are of a kind of their own, whatever they are in the sentence: places, parts of the body, things, acts and
manners. A word that has no vector is `unk`, of the kind OTHER.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "LONGEST", "Words", "read_words"]

SPOKEN = ("VERB", "NOUN", "DET", "ADP", "NUM", "AUX", "PRON", "ADJ", "ADV")
OWN = {
    "Loc_VIP": "left right clockwise counterclockwise anticlockwise forward back backward up down straight curve",
    "Body_VIP": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "Obj_VIP": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "Act_VIP": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift lower raise "
    "wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin spread climb",
    "Desc_VIP": "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly",
}
KINDS = (*SPOKEN, *OWN, "OTHER")
KIND_OF = {word: kind for kind, words in OWN.items() for word in words.split()}
LONGEST = 20
"""Words of a sentence that are read; later ones are left out. Its begin and end come on top."""
FILES = ("our_vab_data.npy", "our_vab_words.pkl", "our_vab_idx.pkl")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Words:
    """`vectors` (V, width), and which of them is whose."""

    vectors: Floats
    index: Mapping[str, int]

    def __post_init__(self) -> None:
        """Checks that the numbers fit, and that the word for all others is there."""
        if "unk" not in self.index or self.vectors.ndim != 2:
            raise ValueError("the word vectors must be (words, width), and one of the words `unk`")
        if not all(0 <= number < len(self.vectors) for number in self.index.values()):
            raise ValueError(f"the words' numbers go beyond the {len(self.vectors)} vectors")

    def sentence(self, tokens: Sequence[str]) -> tuple[Floats, Floats, int]:
        """Vectors (22, width), kinds (22, 15) and how many words count: begin, 20 words at most, end; then `unk`.

        Raises ValueError for a token that is not `word/KIND`.
        """
        wrong = [token for token in tokens if "/" not in token]
        if wrong:
            raise ValueError(f"tokens are wanted as HumanML3D writes them, such as walk/VERB: got {wrong[0]!r}")
        said = ["sos/OTHER", *tokens[:LONGEST], "eos/OTHER"]
        found = [self._one(token) for token in said + ["unk/OTHER"] * (LONGEST + 2 - len(said))]
        return (
            np.stack([vector for vector, _ in found]),
            np.eye(len(KINDS), dtype="f")[[k for _, k in found]],
            len(said),
        )

    def _one(self, token: str) -> tuple[Floats, int]:
        word, _, kind = token.rpartition("/")
        if word not in self.index:
            return self.vectors[self.index["unk"]], KINDS.index("OTHER")
        kind = KIND_OF.get(word, kind)
        return self.vectors[self.index[word]], KINDS.index(kind if kind in KINDS else "OTHER")


def read_words(folder: Path) -> Words:
    """The words of a folder that holds the three files of `our_vab`. Raises FileNotFoundError, ValueError."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} has no {', '.join(missing)}: they come with HumanML3D's GloVe vectors")
    data, words, index = (folder / name for name in FILES)
    listed, numbers = _plain(words), _plain(index)
    if not isinstance(listed, list) or not isinstance(numbers, dict) or not all(word in numbers for word in listed):
        raise ValueError(f"{words} must be a list of words and {index} a dict that numbers them all")
    try:
        vectors = np.load(data, allow_pickle=False).astype(np.float32)
        return Words(vectors, {word: numbers[word] for word in listed})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{data}: {error}") from None


class _Plain(pickle.Unpickler):
    """Lists, dicts, strings and numbers alone: whatever a pickle would call by its name is refused."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Refuses."""
        raise pickle.UnpicklingError(f"it wants to call {module_name}.{global_name}")


def _plain(path: Path) -> object:
    try:
        with path.open("rb") as file:
            return _Plain(file).load()
    except Exception as error:  # a broken pickle raises nearly anything
        raise ValueError(f"{path} is not a pickle of plain lists, dicts, strings and numbers: {error}") from None
