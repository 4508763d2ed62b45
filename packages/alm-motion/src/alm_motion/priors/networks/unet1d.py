"""The 1-D U-Net over time of GMD (Karunratanakul et al., ICCV 2023) and CondMDI (Cohan et al., SIGGRAPH 2024).

Its keys are those of their checkpoints. Each level has two residual blocks, of which the first convolution is
modulated by the condition (adaptive group normalisation, out · (1 + scale) + shift), then halves the length:
three times, so that lengths are padded with zeros to `frames`, or to a multiple of 8 where that is None. On the way
back theirs leaves the first level's state aside, so that all detail passes through half the frames, and normalises what
comes out last, so that sizes are lost; `fine` takes that state, and leads what was not normalised to the output, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from alm_motion.priors.networks.embeddings import LabelEmbedding, PositionTable, TimeEmbedding

__all__ = ["UNet1d", "UNet1dConfig"]


@dataclass(frozen=True)
class UNet1dConfig:
    """What decides the keys and their shapes.

    `text` is the width of the sentence embedding, 0 for a network that reads none; `actions` the number of labels.
    `keyframes` is CondMDI's trained conditioning: the input has as many channels again, which say what is given.
    """

    channels: int = 263
    width: int = 512
    multipliers: tuple[float, ...] = (2, 2, 2, 2)
    adaptive: bool = True
    text: int = 512
    actions: int = 0
    keyframes: bool = False
    attention: bool = False
    fine: bool = False
    frames: int | None = 224


class UNet1d(nn.Module):
    """x̂_0 (rows, channels, frames) of x_t, integer times (rows) and a sentence embedding (rows, text) or label (rows).

    Rows of the embedding that are all zero are unconditional, as in training. Labels below 0 are none.
    """

    def __init__(self, config: UNet1dConfig) -> None:
        super().__init__()
        self.config = config
        self.sequence_pos_encoder = PositionTable(config.width)
        self.embed_timestep = TimeEmbedding(config.width, self.sequence_pos_encoder)
        self.unet = _Temporal(config)
        if config.text:
            self.embed_text = nn.Linear(config.text, config.width)
        if config.actions:
            self.embed_action = LabelEmbedding(config.actions, config.width)

    def forward(self, x: Tensor, times: Tensor, condition: Tensor | None = None) -> Tensor:
        """See the class."""
        frames = x.shape[-1]
        wanted = self.config.frames or -(-frames // 8) * 8
        if frames > wanted:
            raise ValueError(f"this network takes at most {wanted} frames at once, got {frames}")
        embedding = self.embed_timestep(times)
        if self.config.text:
            sentence = x.new_zeros(len(x), self.config.text) if condition is None else condition
            embedding = embedding + self.embed_text(sentence.to(embedding.dtype))
        if self.config.actions and condition is not None:
            embedding = embedding + self.embed_action(condition)
        out: Tensor = self.unet(pad(x, (0, wanted - frames)), embedding)
        return out[..., :frames]


class _Temporal(nn.Module):
    """The U-Net proper. The last level's state is concatenated first."""

    def __init__(self, config: UNet1dConfig) -> None:
        super().__init__()
        width = config.width
        widths = [int(width * m) for m in config.multipliers]
        first = config.channels * (2 if config.keyframes else 1)
        self.time_mlp = nn.Sequential(nn.Linear(width, width * 4), nn.Mish(), nn.Linear(width * 4, width))
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, (before, after) in enumerate(zip([first, *widths], widths, strict=False)):
            down = _Halve(after) if level + 1 < len(widths) else nn.Identity()
            self.downs.append(_level(before, after, config, down))
        self.mid_block1 = _Block(widths[-1], widths[-1], config)
        self.mid_attn = _Attention(widths[-1]) if config.attention else nn.Identity()
        self.mid_block2 = _Block(widths[-1], widths[-1], config)
        for after, before in zip(widths[-2::-1], widths[:0:-1], strict=True):
            self.ups.append(_level(2 * before, after, config, _Double(after)))
        if config.fine:
            self.ups.append(_level(2 * widths[0], widths[0], config, nn.Identity()))
        self.fine_conv = nn.Conv1d(widths[0], config.channels, 1) if config.fine else None
        self.final_conv = nn.Sequential(_Plain(widths[0], widths[0]), nn.Conv1d(widths[0], config.channels, 1))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        c = self.time_mlp(embedding)
        states = []
        for level in self.downs:
            one, two, attend, down = cast(Iterable[nn.Module], level)
            x = attend(two(one(x, c), c))
            states.append(x)
            x = down(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, c)), c)
        for level in self.ups:
            one, two, attend, up = cast(Iterable[nn.Module], level)
            x = torch.cat([x, states.pop()], 1)
            x = up(attend(two(one(x, c), c)))
        out: Tensor = self.final_conv(x)
        return out if self.fine_conv is None else out + self.fine_conv(x)


def _level(before: int, after: int, config: UNet1dConfig, resize: nn.Module) -> nn.ModuleList:
    attend = _Attention(after) if config.attention else nn.Identity()
    return nn.ModuleList([_Block(before, after, config), _Block(after, after, config), attend, resize])


class _Block(nn.Module):
    """Two convolutions beside a skip; the condition enters after the first."""

    def __init__(self, before: int, after: int, config: UNet1dConfig) -> None:
        super().__init__()
        modulated = _Modulated if config.adaptive else _Plain
        self.adaptive = config.adaptive
        self.blocks = nn.ModuleList([modulated(before, after), _Plain(after, after)])
        self.time_mlp = nn.Sequential(nn.Mish(), nn.Linear(config.width, after * (2 if config.adaptive else 1)))
        self.residual_conv = nn.Conv1d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        c = self.time_mlp(c)[..., None]
        y = self.blocks[0](x, c) if self.adaptive else self.blocks[0](x) + c
        out: Tensor = self.blocks[1](y) + self.residual_conv(x)
        return out


class _Plain(nn.Module):
    """Convolution, group normalisation, Mish. The keys' numbers count steps that need no parameters."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        skip = nn.Identity
        self.block = nn.Sequential(
            nn.Conv1d(before, after, 5, padding=2), skip(), nn.GroupNorm(8, after), skip(), nn.Mish()
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return out


class _Modulated(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        skip = nn.Identity
        self.block1 = nn.Sequential(nn.Conv1d(before, after, 5, padding=2), skip(), nn.GroupNorm(8, after), skip())
        self.block2 = nn.Mish()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        scale, shift = c.chunk(2, 1)
        out: Tensor = self.block2(self.block1(x) * (1 + scale) + shift)
        return out


class _Halve(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _Double(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(width, width, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _Attention(nn.Module):
    """Linear attention (Katharopoulos et al. 2020 in the form of Shen et al. 2021) over normalised channels, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fn = nn.Module()
        self.fn.norm = _ChannelNorm(width)
        self.fn.fn = _LinearAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.fn.fn(self.fn.norm(x))  # type: ignore[operator]
        return out


class _ChannelNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, width, 1))
        self.b = nn.Parameter(torch.zeros(1, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, 1, unbiased=False, keepdim=True)
        return (x - mean) / (variance + 1e-5).sqrt() * self.g + self.b


class _LinearAttention(nn.Module):
    def __init__(self, width: int, heads: int = 4, size: int = 32) -> None:
        super().__init__()
        self.heads, self.scale = heads, size**-0.5
        self.to_qkv = nn.Conv1d(width, 3 * heads * size, 1, bias=False)
        self.to_out = nn.Conv1d(heads * size, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each.unflatten(1, (self.heads, -1)) for each in self.to_qkv(x).chunk(3, 1))
        context = torch.einsum("bhdn,bhen->bhde", k.softmax(-1), v)
        out: Tensor = self.to_out(torch.einsum("bhde,bhdn->bhen", context, q * self.scale).flatten(1, 2))
        return out
