"""LPIPS (Zhang et al. 2018), version 0.1, in torch alone.

    d(x, y) = Σ_l mean over h, w of  w_l · (ŷ_l − x̂_l)²,      ŷ_l: activations of layer l of unit length over channels

The layers are those after five ReLUs of AlexNet or VGG-16 as torchvision trained them, and w_l are the weights that
were fitted to what people see. Both are files: nothing is fetched. The network is written out here because torchvision,
where others take it from, is bound to one build of torch (docs/decisions/0009-no-torchvision.md).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, normalize

from alm_image.metrics.pixels import check_mask, check_pair
from alm_image.metrics.weights import check_shapes, find_weights, hub_folder, load_weights, package_folder

__all__ = ["LPIPS", "NETS", "Layer", "Net", "shapes"]

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of R, G and B in [−1, 1]: what the networks were trained with."""


@dataclass(frozen=True)
class Layer:
    """A convolution and its ReLU; `number` is torchvision's, and `pool` the size of a maximum by twos before it."""

    number: int
    inside: int
    outside: int
    size: int = 3
    stride: int = 1
    padding: int = 1
    pool: int = 0
    tap: bool = True


@dataclass(frozen=True)
class Net:
    """A stack of convolutions: its file, the file of its heads, and the smallest side of a picture that it takes."""

    file: str
    heads: str
    least: int
    layers: tuple[Layer, ...]


ALEX = (
    Layer(0, 3, 64, 11, 4, 2),
    Layer(3, 64, 192, 5, padding=2, pool=3),
    Layer(6, 192, 384, pool=3),
    Layer(8, 384, 256),
    Layer(10, 256, 256),
)
VGG = (
    Layer(0, 3, 64, tap=False),
    Layer(2, 64, 64),
    Layer(5, 64, 128, pool=2, tap=False),
    Layer(7, 128, 128),
    Layer(10, 128, 256, pool=2, tap=False),
    Layer(12, 256, 256, tap=False),
    Layer(14, 256, 256),
    Layer(17, 256, 512, pool=2, tap=False),
    Layer(19, 512, 512, tap=False),
    Layer(21, 512, 512),
    Layer(24, 512, 512, pool=2, tap=False),
    Layer(26, 512, 512, tap=False),
    Layer(28, 512, 512),
)
NETS = {
    "alex": Net("alexnet-owt-7be5be79.pth", "alex.pth", 31, ALEX),
    "vgg": Net("vgg16-397923af.pth", "vgg.pth", 16, VGG),
}
"""By the names that the lpips package has for them; it takes "alex" where none is named."""


@dataclass(frozen=True)
class LPIPS:
    """The distance of pictures as people see it: 0 of equals, about 0.7 of pictures that have nothing in common."""

    net: str
    weights: dict[str, Tensor]

    @classmethod
    def load(
        cls,
        net: str = "alex",
        *,
        folder: str | Path | None = None,
        backbone: str | Path | None = None,
        heads: str | Path | None = None,
        device: str | torch.device = "cpu",
    ) -> "LPIPS":
        """Of torchvision's file `backbone` and lpips's `heads`, else found in the folder, torch's cache, or lpips.

        Raises FileNotFoundError that names the file that is missing, ValueError for a file that is something else.
        """
        if net not in NETS:
            raise ValueError(f"the net is one of {', '.join(NETS)}, got {net!r}")
        known, what = NETS[net], f"LPIPS ({net})"
        given = Path(folder) if folder is not None else None
        if given is not None and not given.is_dir():
            raise FileNotFoundError(f"there is no folder {given}: give that of {known.file} and {known.heads}")
        if backbone is None:
            backbone = find_weights([known.file], [given, hub_folder()], what)
        if heads is None:
            heads = find_weights([known.heads], [given, package_folder("lpips", "weights/v0.1"), hub_folder()], what)
        weights = load_weights(backbone, f"torchvision's {known.file}") | load_weights(heads, f"lpips's {known.heads}")
        wanted = shapes(known)
        check_shapes(weights, wanted, what)
        return cls(net, {name: weights[name].to(device) for name in wanted})

    @torch.no_grad()
    def __call__(self, made: Tensor, truth: Tensor) -> Tensor:
        """(n,) of pixels (n, 3, height, width) in [−1, 1], on the weights' device.

        Raises ValueError for shapes that differ, or pictures that are too small for the net.
        """
        check_pair(made, truth, NETS[self.net].least)
        total = torch.zeros(len(made), device=self.weights["features.0.weight"].device)
        for number, (x, y) in enumerate(zip(self.features(made), self.features(truth), strict=True)):
            apart = (normalize(x, dim=1, eps=1e-10) - normalize(y, dim=1, eps=1e-10)).square()
            total = total + conv2d(apart, self.weights[f"lin{number}.model.1.weight"]).mean((1, 2, 3))
        return total

    def background(self, made: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        """(n,) of what the mask shows black, as SyncSDE's BG-LPIPS: what it shows white is made grey in both."""
        check_pair(made, truth, NETS[self.net].least)
        kept = 1 - check_mask(mask, made)
        return self(made * kept, truth * kept)

    def features(self, pixels: Tensor) -> list[Tensor]:
        """The activations (n, channels, height, width) that are looked at."""
        device = self.weights["features.0.weight"].device
        shift, scale = (torch.tensor(each, device=device)[:, None, None] for each in (SHIFT, SCALE))
        x = (pixels.to(device).float() - shift) / scale
        found = []
        for layer in NETS[self.net].layers:
            if layer.pool:
                x = max_pool2d(x, layer.pool, 2)
            weight, bias = (self.weights[f"features.{layer.number}.{name}"] for name in ("weight", "bias"))
            x = conv2d(x, weight, bias, layer.stride, layer.padding).relu()
            if layer.tap:
                found.append(x)
        return found


def shapes(net: Net) -> dict[str, tuple[int, ...]]:
    """The name and the shape of every weight, of the backbone and of the heads."""
    found: dict[str, tuple[int, ...]] = {}
    for layer in net.layers:
        found[f"features.{layer.number}.weight"] = (layer.outside, layer.inside, layer.size, layer.size)
        found[f"features.{layer.number}.bias"] = (layer.outside,)
    for number, layer in enumerate(layer for layer in net.layers if layer.tap):
        found[f"lin{number}.model.1.weight"] = (1, layer.outside, 1, 1)
    return found
