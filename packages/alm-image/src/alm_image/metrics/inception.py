"""The features that FID and KID are of: InceptionV3 as it was first measured with (Heusel et al. 2017), in torch alone.

The weights are `pt_inception-2015-12-05-6726825d.pth`, the network of 2015 turned from TensorFlow; the file that
torch-fidelity calls `weights-inception-2015-12-05-6726825d.pth` is the same. Where that network differs from
torchvision's it is followed: averages leave the padding out, the last block takes a maximum instead, and pictures are
squeezed to 299 × 299 from their corner and without smoothing.

The network is written out here because libraries that hold it want torchvision, which is bound to one build of torch
(docs/decisions/0009-no-torchvision.md).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, max_pool2d

from alm_image.metrics.pixels import check_pixels, to_levels
from alm_image.metrics.weights import find_weights, hub_folder, load_weights

__all__ = ["FILES", "Inception", "shapes"]

FILES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")
SIDE = 299
PARTS = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")


@dataclass(frozen=True)
class Inception:
    """Features (n, 2048) of pictures, of the last pooling."""

    weights: dict[str, Tensor]

    @classmethod
    def load(cls, path: str | Path | None = None, *, device: str | torch.device = "cpu") -> "Inception":
        """Of the file, else of torch's cache; nothing is fetched.

        Raises FileNotFoundError, or ValueError for a file that is something else.
        """
        what = "FID's and KID's Inception"
        path = path if path is not None else find_weights(FILES, [hub_folder()], what)
        weights = load_weights(path, what)
        wanted = shapes()
        for name, shape in wanted.items():
            found = tuple(weights[name].shape) if name in weights else "none"
            if found != shape:
                raise ValueError(f"{path} is not {FILES[0]}: of {name} {shape} is wanted, got {found}")
        return cls({name: weights[name].to(device) for name in wanted})

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Float32 (n, 2048) of pixels (n, 3, height, width) in [−1, 1], on the weights' device.

        Pixels are rounded to levels first, as if they had been a file.
        """
        levels = to_levels(check_pixels(pixels)).to(self.weights["Conv2d_1a_3x3.conv.weight"].device)
        x = (_squeeze(levels.float()) - 128) / 128
        x = self._conv(x, "Conv2d_1a_3x3", 2)
        x = self._conv(x, "Conv2d_2a_3x3")
        x = max_pool2d(self._conv(x, "Conv2d_2b_3x3", same=True), 3, 2)
        x = self._conv(x, "Conv2d_3b_1x1")
        x = max_pool2d(self._conv(x, "Conv2d_4a_3x3"), 3, 2)
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self._block(x, name, ("branch1x1",), ("branch5x5_1", "branch5x5_2"), _threes("branch3x3dbl", 3))
        x = self._halving(x, "Mixed_6a", ("branch3x3",), _threes("branch3x3dbl", 3))
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self._block(x, name, ("branch1x1",), _threes("branch7x7", 3), _threes("branch7x7dbl", 5))
        x = self._halving(x, "Mixed_7a", _threes("branch3x3", 2), _threes("branch7x7x3", 4))
        for name in ("Mixed_7b", "Mixed_7c"):
            x = self._fork(x, name)
        return x.mean((2, 3))

    def _conv(self, x: Tensor, name: str, stride: int = 1, *, same: bool = False) -> Tensor:
        weight, gain, bias, mean, variance = (self.weights[f"{name}.{part}"] for part in PARTS)
        padding = (weight.shape[2] // 2, weight.shape[3] // 2) if same else (0, 0)
        x = conv2d(x, weight, stride=stride, padding=padding)
        return batch_norm(x, mean, variance, gain, bias, eps=0.001).relu()

    def _chain(self, x: Tensor, block: str, names: tuple[str, ...]) -> Tensor:
        for name in names:
            x = self._conv(x, f"{block}.{name}", same=True)
        return x

    def _block(self, x: Tensor, block: str, *branches: tuple[str, ...]) -> Tensor:
        """Branches of one size, and one of averages."""
        found = [self._chain(x, block, names) for names in branches]
        return torch.cat([*found, self._conv(_average(x), f"{block}.branch_pool")], 1)

    def _halving(self, x: Tensor, block: str, *branches: tuple[str, ...]) -> Tensor:
        """Branches of which the last convolution goes by twos, and a maximum that does."""
        found = [self._conv(self._chain(x, block, names[:-1]), f"{block}.{names[-1]}", 2) for names in branches]
        return torch.cat([*found, max_pool2d(x, 3, 2)], 1)

    def _fork(self, x: Tensor, block: str) -> Tensor:
        """Two of the branches end in a flat and an upright convolution, side by side."""
        found = [self._chain(x, block, ("branch1x1",))]
        for first, last in ((("branch3x3_1",), "branch3x3_2"), (_threes("branch3x3dbl", 2), "branch3x3dbl_3")):
            middle = self._chain(x, block, first)
            found += [self._chain(middle, block, (last + end,)) for end in "ab"]
        pooled = max_pool2d(x, 3, 1, 1) if block == "Mixed_7c" else _average(x)
        return torch.cat([*found, self._conv(pooled, f"{block}.branch_pool")], 1)


def shapes() -> dict[str, tuple[int, ...]]:
    """The shape of each tensor that the network reads, by its name in the file."""
    found: dict[str, tuple[int, ...]] = {}

    def conv(name: str, inside: int, outside: int, height: int = 1, width: int = 0) -> int:
        found[f"{name}.conv.weight"] = (outside, inside, height, width or height)
        found.update({f"{name}.{part}": (outside,) for part in PARTS[1:]})
        return outside

    def chain(name: str, inside: int, *steps: tuple[int, ...]) -> int:
        for number, (outside, *size) in enumerate(steps, 1):
            inside = conv(f"{name}_{number}", inside, outside, *size)
        return inside

    conv("Conv2d_1a_3x3", 3, 32, 3)
    conv("Conv2d_2a_3x3", 32, 32, 3)
    conv("Conv2d_2b_3x3", 32, 64, 3)
    conv("Conv2d_3b_1x1", 64, 80)
    at = conv("Conv2d_4a_3x3", 80, 192, 3)
    for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        ends = conv(f"{name}.branch1x1", at, 64), chain(f"{name}.branch5x5", at, (48, 1), (64, 5))
        last = chain(f"{name}.branch3x3dbl", at, (64, 1), (96, 3), (96, 3))
        at = sum(ends) + last + conv(f"{name}.branch_pool", at, pooled)
    at += conv("Mixed_6a.branch3x3", at, 384, 3) + chain("Mixed_6a.branch3x3dbl", at, (64, 1), (96, 3), (96, 3))
    for name, c in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        ends = conv(f"{name}.branch1x1", at, 192), chain(f"{name}.branch7x7", at, (c, 1), (c, 1, 7), (192, 7, 1))
        last = chain(f"{name}.branch7x7dbl", at, (c, 1), (c, 7, 1), (c, 1, 7), (c, 7, 1), (192, 1, 7))
        at = sum(ends) + last + conv(f"{name}.branch_pool", at, 192)
    ends = chain("Mixed_7a.branch3x3", at, (192, 1), (320, 3)), 0
    at += sum(ends) + chain("Mixed_7a.branch7x7x3", at, (192, 1), (192, 1, 7), (192, 7, 1), (192, 3))
    for name in ("Mixed_7b", "Mixed_7c"):
        conv(f"{name}.branch1x1", at, 320)
        for branch, middle in (
            ("branch3x3_2", chain(f"{name}.branch3x3", at, (384, 1))),
            ("branch3x3dbl_3", chain(f"{name}.branch3x3dbl", at, (448, 1), (384, 3))),
        ):
            conv(f"{name}.{branch}a", middle, 384, 1, 3)
            conv(f"{name}.{branch}b", middle, 384, 3, 1)
        conv(f"{name}.branch_pool", at, 192)
        at = 320 + 4 * 384 + 192
    return found


def _threes(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{number}" for number in range(1, count + 1))


def _average(x: Tensor) -> Tensor:
    return avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _squeeze(x: Tensor) -> Tensor:
    """To 299 × 299, bilinearly, as TensorFlow's first versions did: row r shows what stands at r · height / 299."""
    for axis in (3, 2):
        size = x.shape[axis]
        at = torch.arange(SIDE, dtype=torch.float32, device=x.device) * (size / SIDE)
        low = at.long()
        share = (at - low).reshape((-1, 1) if axis == 2 else (1, -1))
        first, second = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp(max=size - 1))
        x = first + (second - first) * share
    return x
