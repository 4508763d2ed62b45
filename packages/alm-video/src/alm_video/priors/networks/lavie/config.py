"""What shapes the network: the `unet/config.json` of Stable Diffusion 1.4, from which LaVie's is made."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

__all__ = ["ROTATED", "LaVieConfig"]

ROTATED = 32
"""Channels of each head that the rotary embedding turns; a head cannot have fewer."""

FIXED: dict[str, tuple[object, ...]] = {
    "act_fn": ("silu",),
    "attention_type": ("default",),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "downsample_padding": (1,),
    "dropout": (0,),
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "mid_block_scale_factor": (1,),
    "mid_block_type": ("UNetMidBlock2DCrossAttn", "UNetMidBlock3DCrossAttn"),
    "resnet_out_scale_factor": (1,),
    "resnet_time_scale_shift": ("default",),
    "time_embedding_type": ("positional",),
    "transformer_layers_per_block": (1,),
}
"""Keys that the network knows one meaning of. Others must be null or false."""

IDLE = ("sample_size", "addition_embed_type_num_heads")
"""Keys that shape nothing here, whatever they say."""


@dataclass(frozen=True)
class LaVieConfig:
    """The keys of the config that differ between networks; the defaults are LaVie's.

    `attention_head_dim` is the number of heads, for all levels or one a level: the file's name for it is an old error.
    Raises ValueError for numbers that do not go together.
    """

    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    cross_attention_dim: int = 768
    attention_head_dim: int | tuple[int, ...] = 8
    in_channels: int = 4
    out_channels: int = 4
    norm_num_groups: int = 32
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        widths, heads, groups = self.block_out_channels, self.heads, self.norm_num_groups
        rest = (self.layers_per_block, self.cross_attention_dim, self.in_channels, self.out_channels, groups)
        if not all(type(n) is int and n > 0 for n in (*widths, *heads, *rest)):
            raise ValueError(f"every number of a LaVie config must be whole and above 0, got {self}")
        if not isinstance(self.norm_eps, float) or self.norm_eps <= 0:
            raise ValueError(f"norm_eps must be above 0, got {self.norm_eps!r}")
        if len(widths) < 2 or len(heads) != len(widths):
            raise ValueError(f"a LaVie config wants two levels or more and heads for each, got {widths} and {heads}")
        for width, count in zip(widths, heads, strict=True):
            if width % groups or width % count or width // count < ROTATED or width % 2:
                raise ValueError(
                    f"{width} channels must be even, a multiple of norm_num_groups ({groups}) and of the heads "
                    f"({count}), with {ROTATED} or more a head"
                )

    @property
    def heads(self) -> tuple[int, ...]:
        """The number of heads of each level."""
        given = self.attention_head_dim
        return given if isinstance(given, tuple) else (given,) * len(self.block_out_channels)

    @staticmethod
    def of(values: Mapping[str, object]) -> "LaVieConfig":
        """The config of a JSON object, of 2-D or 3-D block names.

        Keys that begin with an underscore are passed over. Raises ValueError that names the first ten keys by which
        another network is meant.
        """
        found = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        own = {field.name for field in fields(LaVieConfig)}
        picked = {key: value for key, value in found.items() if key in own}
        levels = picked.get("block_out_channels", LaVieConfig.block_out_channels)
        if not isinstance(levels, tuple):
            raise ValueError(f"block_out_channels must be a list of numbers, got {levels!r}")
        other = [
            f"{key} = {value!r}"
            for key, value in found.items()
            if key not in own and not key.startswith("_") and not _understood(key, value, len(levels))
        ]
        if other:
            raise ValueError(
                f"LaVie's network has no {', '.join(other[:10])}: give the unet/config.json of Stable Diffusion 1.4"
            )
        return LaVieConfig(**picked)  # type: ignore[arg-type]  # looked at in __post_init__


def _understood(key: str, value: object, levels: int) -> bool:
    """Whether a key that is no field says what the network does anyway."""
    if key in IDLE or value is None or (value is False and key not in FIXED):
        return True
    if key == "down_block_types":
        return value in [("CrossAttnDownBlock" + d,) * (levels - 1) + ("DownBlock" + d,) for d in ("2D", "3D")]
    if key == "up_block_types":
        return value in [("UpBlock" + d,) + ("CrossAttnUpBlock" + d,) * (levels - 1) for d in ("2D", "3D")]
    return value in FIXED.get(key, ())
