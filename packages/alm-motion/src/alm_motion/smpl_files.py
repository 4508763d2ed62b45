"""Files of body models: SMPL (Loper et al., SIGGRAPH Asia 2015), SMPL-H (Romero et al., 2017), SMPL-X (Pavlakos et al.,
CVPR 2019). They come from their makers, under their makers' licences; none is shipped here.

A body of shape β has the vertices `v_template + shapedirs β`, and its joints at rest are `J_regressor` times those.

Some files are pickles of chumpy's objects, a library that no longer installs. They are read without it, and without
running what a pickle may name: objects of chumpy and of scipy.sparse become plain records of their arrays, numpy's
arrays are made by numpy, and any other name is refused.
"""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from alm_motion.formats import FormatError
from alm_motion.skeleton import PARENTS, Array

__all__ = ["JOINTS", "Body", "Kind", "read_body"]

Kind = Literal["smpl", "smplh", "smplx"]
JOINTS: dict[Kind, int] = {"smpl": 24, "smplh": 52, "smplx": 55}
"""How many joints each kind poses: the 22, and then two hands; 15 of each hand; jaw, eyes and 15 of each hand."""
KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")
SHAPES_OF_SMPLX = (10, 300)
"""How many of SMPL-X's directions are of the body's shape, in short and in long files; the face's follow."""


@dataclass(frozen=True)
class Body:
    """A model of V vertices, J joints, B shape coefficients and N faces, in metres: Y up, facing +Z, left on +X.

    `kintree` holds the joints' parents, −1 for the root. `posedirs` are the directions in which the vertices go with
    the entries of the joints' rotations. Its first 22 joints are those of `skeleton.NAMES`.
    """

    v_template: Array  # (V, 3)
    shapedirs: Array  # (V, 3, B)
    posedirs: Array  # (V, 3, 9 (J − 1))
    J_regressor: Array  # (J, V)
    weights: Array  # (V, J)
    faces: NDArray[np.int64]  # (N, 3)
    kintree: tuple[int, ...]  # (J)

    def __post_init__(self) -> None:
        """Checks the sizes, and that the joints are the 22 and more."""
        vertices, joints = len(self.v_template), len(self.kintree)
        if joints not in JOINTS.values() or self.kintree[:22] != PARENTS:
            raise ValueError(
                f"the model's {joints} joints are not a body's: SMPL has 24, SMPL-H 52 and SMPL-X 55, of which the "
                "first 22 are the same (hands alone, heads alone and animals have others)"
            )
        wanted = {
            "v_template": (vertices, 3),
            "shapedirs": (vertices, 3, self.shapedirs.shape[-1]),
            "posedirs": (vertices, 3, 9 * (joints - 1)),
            "J_regressor": (joints, vertices),
            "weights": (vertices, joints),
            "faces": (len(self.faces), 3),
        }
        for name, shape in wanted.items():
            if (found := getattr(self, name).shape) != shape:
                raise ValueError(f"of {vertices} vertices and {joints} joints {name} must be {shape}, got {found}")

    @property
    def kind(self) -> Kind:
        """Which of the three it is, told by the number of its joints."""
        return next(kind for kind, count in JOINTS.items() if count == len(self.kintree))

    def joints(self, betas: Array) -> Array:
        """Where the joints (J, 3) are at rest, of a body of shape `betas` (at most B; those that lack are 0)."""
        betas = self.shape(betas)
        return np.asarray(self.J_regressor @ (self.v_template + self.shapedirs @ betas))

    def shape(self, betas: Array) -> Array:
        """The betas (B), zeros added. Raises ValueError where there are more than the model has."""
        count = self.shapedirs.shape[-1]
        if betas.ndim != 1 or len(betas) > count:
            raise ValueError(
                f"at most {count} betas are wanted, as the model has, got {betas.shape}: leave out the last"
            )
        return np.concatenate([betas, np.zeros(count - len(betas))])


def read_body(path: str | Path) -> Body:
    """The model in a .npz or .pkl file; a .pkl needs no chumpy, and nothing in it is run.

    Raises FileNotFoundError, or ValueError where it is not a body model.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path], dict[str, NDArray[Any]]]] = {".npz": _from_npz, ".pkl": _from_pickle}
    if path.is_dir() or path.suffix.lower() not in readers:
        raise ValueError(f"a body model must be a file that ends in .npz or .pkl, got {path}")
    try:
        found = readers[path.suffix.lower()](path)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no body model at {path}") from None
    except MemoryError:
        raise
    except Exception as error:  # a broken pickle may raise anything
        told = str(error) if isinstance(error, FormatError) else f"{type(error).__name__}: {error}".split("\n")[0][:120]
        raise ValueError(f"the body model {path} cannot be read ({told}): take it again from where it came") from error
    parents = found["kintree_table"][0].astype(np.int64)
    parents[0] = -1  # files have 2³² − 1
    try:
        return Body(
            found["v_template"].astype(float),
            _shape_directions(found["shapedirs"].astype(float), len(parents)),
            found["posedirs"].astype(float),
            found["J_regressor"].astype(float),
            found["weights"].astype(float),
            found["f"].astype(np.int64),
            tuple(parents.tolist()),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _shape_directions(directions: Array, joints: int) -> Array:
    """Those of the body's shape: in SMPL-X's files the face's stand behind them."""
    short, long = SHAPES_OF_SMPLX
    if joints != JOINTS["smplx"]:
        return directions
    return directions[..., : long if directions.shape[-1] > long else short]


def _from_npz(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        _check_keys(file.files)
        return {key: file[key] for key in KEYS}


def _from_pickle(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        found = _Unpickler(file).load()
    if not isinstance(found, dict):
        raise FormatError(f"it holds a {type(found).__name__}, and a dict is wanted")
    _check_keys(found)
    return {key: _array(found[key]) for key in KEYS}


def _check_keys(names: Any) -> None:
    if missing := [key for key in KEYS if key not in names]:
        raise FormatError(f"it lacks {', '.join(missing)}, which a body model has")


class _Record:
    """In place of an object of chumpy or scipy.sparse: the name of its class, and its state."""

    name = ""
    state: Mapping[str, Any] = {}

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Makes arrays, containers and `_Record`s. Python 2 wrote many of the files: its bytes are read as latin-1."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle. Raises FormatError for all that a model has no need of."""
        if module.partition(".")[0] == "chumpy" or module.startswith("scipy.sparse"):
            return type(name, (_Record,), {"name": f"{module}.{name}"})
        if module in ("builtins", "__builtin__") and name in CONTAINERS:
            return CONTAINERS[name]
        try:
            return MAKERS[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise FormatError(f"it names {module}.{name}, which no body model needs and which is not run") from None


def _bytes(text: str, _: str) -> bytes:
    """Python 3's way to write bytes in an old pickle."""
    return text.encode("latin1")


def _new(kind: Any, *_: object) -> Any:
    """Python 2's way to make an object, whose state follows."""
    return kind.__new__(kind)


CONTAINERS = {kind.__name__: kind for kind in (dict, frozenset, list, object, set, tuple)}
MAKERS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy.core.multiarray", "scalar"): np.float64(0).__reduce__()[0],
    ("numpy.core.numeric", "_frombuffer"): np.empty(0).__reduce_ex__(5)[0],
    ("_codecs", "encode"): _bytes,
    ("copy_reg", "_reconstructor"): _new,
    ("copyreg", "_reconstructor"): _new,
}


def _array(value: object) -> NDArray[Any]:
    """The array that a record stands for: chumpy's values and selections, scipy's sparse matrices by row or column."""
    if not isinstance(value, _Record):
        return np.asarray(value)
    state, kind = value.state, value.name.rpartition(".")[2]
    if kind == "Ch":
        return _array(state["x"])
    if kind == "Select":
        picked = _array(state["a"]).ravel()[_array(state["idxs"])]
        return np.asarray(picked.reshape(state.get("preferred_shape", picked.shape)))
    if kind in ("csc_matrix", "csr_matrix"):
        build = sparse.csc_matrix if kind == "csc_matrix" else sparse.csr_matrix
        return np.asarray(build((state["data"], state["indices"], state["indptr"]), shape=state["_shape"]).toarray())
    raise FormatError(
        f"it holds a {value.name}, which is not known here: save its arrays as .npz where chumpy is at hand"
    )
