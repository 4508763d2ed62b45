"""The U-Net. Within it a film is pictures (rows · frames, channels, h, w), the frames of a row one after another.

Convolutions and changes of size see one picture at a time. The norms of the residual blocks and of the end are taken
over a row's frames together, those before attention over each picture.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from alm_video.priors.networks.lavie.config import LaVieConfig
from alm_video.priors.networks.lavie.layers import Resample, Stage, TimeEmbedding, over_time
from alm_video.priors.networks.lavie.temporal import Windows, check_windows
from alm_video.priors.networks.lavie.transformer import Call

__all__ = ["LaVieUNet"]


class LaVieUNet(nn.Module):
    """Predicts the noise ε in a film's latents. Its keys are those of the public network."""

    def __init__(self, config: LaVieConfig) -> None:
        super().__init__()
        self.config = config
        widths, heads, count = config.block_out_channels, config.heads, config.layers_per_block
        last = len(widths) - 1  # the level without attention
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0])
        skips = [widths[0]]
        self.down_blocks = nn.ModuleList()
        for level, width in enumerate(widths):
            into = [skips[-1], *[width] * (count - 1)]
            stage = Stage(config, into, width, heads[level], count if level < last else 0)
            if level < last:
                stage.downsamplers.append(Resample(width, stride=2))
            self.down_blocks.append(stage)
            skips += [width] * (count + (level < last))
        self.mid_block = Stage(config, [widths[last]] * 2, widths[last], heads[last], 1)
        self.up_blocks = nn.ModuleList()
        below = widths[last]
        for level, width in reversed(list(enumerate(widths))):
            into = [channels + skips.pop() for channels in (below, *[width] * count)]
            stage = Stage(config, into, width, heads[level], count + 1 if level < last else 0)
            if level > 0:
                stage.upsamplers.append(Resample(width, stride=1))
            self.up_blocks.append(stage)
            below = width
        self.conv_norm_out = nn.GroupNorm(config.norm_num_groups, widths[0], eps=config.norm_eps)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        states: Tensor,
        *,
        windows: Windows | None = None,
        attention_slice: int | None = None,
    ) -> Tensor:
        """ε (rows, out_channels, frames, h, w), in the network's dtype, which `sample` and `states` must have.

        Args:
            sample: (rows, in_channels, frames, h, w); any h and w will do.
            timestep: Training index, (rows,), or (1,) for all rows.
            states: Last hidden states of the text, (rows, tokens, cross_attention_dim).
            windows: A window's frames and its advance. Where given, attention over time is taken over windows, and
                mixed where they overlap (FreeNoise). One window over all frames is plain attention.
            attention_slice: Where given, so many pictures at once go through what takes each by itself, for less
                memory. The result is the same.

        Raises ValueError for shapes, windows or slices that cannot be.
        """
        self._check(sample, timestep, states)
        if windows is not None:
            check_windows(windows)
        if attention_slice is not None and attention_slice < 1:
            raise ValueError(f"attention_slice must be 1 or more, or None for all at once, got {attention_slice}")
        rows = len(sample)
        embedding = self.time_embedding(timestep.expand(rows), sample.dtype)
        call = Call(silu(embedding), states, windows, attention_slice)
        x, skips = self._down(sample.transpose(1, 2).flatten(0, 1), call)
        for i in range(2):
            x = self.mid_block.layer(i, x, call)
        x = self._up(x, skips, call)
        out: Tensor = self.conv_out(silu(over_time(self.conv_norm_out, x, rows)))
        return out.reshape(rows, -1, *out.shape[1:]).transpose(1, 2)

    def _down(self, x: Tensor, call: Call) -> tuple[Tensor, list[Tensor]]:
        """The smallest level, and what the way up takes again, the last first."""
        x = self.conv_in(x)
        skips = [x]
        for stage in _stages(self.down_blocks):
            for i in range(len(stage.resnets)):
                x = stage.layer(i, x, call)
                skips.append(x)
            for downsample in stage.downsamplers:
                x = downsample(x)
                skips.append(x)
        return x, skips

    def _up(self, x: Tensor, skips: list[Tensor], call: Call) -> Tensor:
        for stage in _stages(self.up_blocks):
            for i in range(len(stage.resnets)):
                x = stage.layer(i, torch.cat([x, skips.pop()], 1), call)
            for convolve in stage.upsamplers:
                x = convolve(interpolate(x, size=skips[-1].shape[-2:], mode="nearest"))
        return x

    def _check(self, sample: Tensor, timestep: Tensor, states: Tensor) -> None:
        channels, width = self.config.in_channels, self.config.cross_attention_dim
        if sample.ndim != 5 or sample.shape[1] != channels or 0 in sample.shape:
            raise ValueError(f"sample must be (rows, {channels}, frames, h, w), got {tuple(sample.shape)}")
        rows = len(sample)
        if timestep.shape not in ((rows,), (1,)):
            raise ValueError(f"timestep must be ({rows},) or (1,), got {tuple(timestep.shape)}")
        if states.ndim != 3 or len(states) != rows or states.shape[-1] != width:
            raise ValueError(f"states must be ({rows}, tokens, {width}), got {tuple(states.shape)}")


def _stages(blocks: nn.ModuleList) -> list[Stage]:
    return [block for block in blocks if isinstance(block, Stage)]
