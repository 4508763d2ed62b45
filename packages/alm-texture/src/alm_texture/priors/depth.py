"""What a depth ControlNet is shown: how near each pixel of a view is."""

import numpy as np
import torch
from torch import Tensor

from alm_texture.raster.base import Fragments

__all__ = ["nearness"]


def nearness(fragments: Fragments) -> Tensor:
    """Inverse depth scaled to [0, 1] over the view's own foreground, float32 (1, height, width).

    1 is the nearest pixel, 0 the farthest and whatever shows no mesh; a view of one depth is 1 all over its silhouette.
    Networks read it as three equal channels. SyncMVD draws its views at 512 and enlarges them, hence blurs them; these
    are drawn at the size that the network reads, and stay sharp.
    """
    inverse = 1 / fragments.depth.astype(np.float64)
    low, high = (inverse.min(), inverse.max()) if inverse.size else (0.0, 0.0)
    flat = high - low <= 1e-6 * high
    share = np.ones_like(inverse) if flat else (inverse - low) / (high - low)
    return torch.from_numpy(fragments.image(share.astype(np.float32)))[None]
