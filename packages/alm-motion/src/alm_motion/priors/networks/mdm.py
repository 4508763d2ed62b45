"""The transformer encoder of MDM (Tevet et al., ICLR 2023), `trans_enc`.

Its keys are those of the published checkpoints, once the text encoder's own (`clip_model.…`) are left out. Time and
condition are one token before the frames; each frame is one token more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from alm_motion.priors.networks.embeddings import LabelEmbedding, PositionTable, TimeEmbedding

__all__ = ["MDM", "MDMConfig"]


@dataclass(frozen=True)
class MDMConfig:
    """What decides the keys and their shapes, and `heads`, which no key shows.

    `text` is the width of the sentence embedding, 0 for a network that reads none; `actions` the number of labels.
    `positions` is the length of the table of sines, which bounds the frames and the times.
    """

    channels: int = 263
    width: int = 512
    layers: int = 8
    feedforward: int = 1024
    heads: int = 4
    text: int = 512
    actions: int = 0
    positions: int = 5000

    def __post_init__(self) -> None:
        """Checks that it reads one kind of condition."""
        if self.text and self.actions:
            raise ValueError(f"MDM reads text or labels: set one to 0, got text={self.text}, actions={self.actions}")

    @classmethod
    def from_args(cls, args: Mapping[str, object]) -> "MDMConfig":
        """The config of the `args.json` beside a published checkpoint; what an old one leaves out is as it was then.

        Raises ValueError where it is another network: a decoder or GRU, BERT's text, a prefix or targets to reach, or
        the features of another data set.
        """
        only = {
            "dataset": "humanml",
            "arch": "trans_enc",
            "text_encoder_type": "clip",
            "emb_policy": "add",
            "context_len": 0,
            "multi_target_cond": False,
            "lambda_target_loc": 0.0,
        }
        for key, wanted in only.items():
            if args.get(key, wanted) != wanted:
                raise ValueError(
                    f"of MDM's models only those with {key} {wanted!r} can be loaded, got {args[key]!r}: "
                    "take humanml_trans_enc_512 or one like it"
                )
        defaults = {"latent_dim": 512, "layers": 8, "ff_size": 1024, "pos_embed_max_len": 5000}
        sizes = {key: args.get(key, value) for key, value in defaults.items()}
        for key, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"MDM's {key} must be a whole number above 0, got {value!r}: fetch args.json again")
        width, layers, feedforward, positions = (int(str(value)) for value in sizes.values())
        free = args.get("unconstrained", False) or args.get("cond_mode") == "no_cond"
        return cls(width=width, layers=layers, feedforward=feedforward, text=0 if free else 512, positions=positions)


class MDM(nn.Module):
    """x̂_0 (rows, channels, frames) of x_t, integer times (rows) and a sentence embedding (rows, text) or label (rows).

    Rows of the embedding that are all zero are unconditional, as in training, and so is no embedding. Labels below 0
    are none.
    """

    def __init__(self, config: MDMConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.input_process = nn.ModuleDict({"poseEmbedding": nn.Linear(config.channels, width)})
        self.sequence_pos_encoder = PositionTable(width, config.positions)
        self.embed_timestep = TimeEmbedding(width, self.sequence_pos_encoder)
        layer = nn.TransformerEncoderLayer(
            width, config.heads, config.feedforward, dropout=0.0, activation="gelu", batch_first=True
        )
        self.seqTransEncoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        if config.text:
            self.embed_text = nn.Linear(config.text, width)
        if config.actions:
            self.embed_action = LabelEmbedding(config.actions, width)
        self.output_process = nn.ModuleDict({"poseFinal": nn.Linear(width, config.channels)})

    def forward(
        self, x: Tensor, times: Tensor, condition: Tensor | None = None, *, mask_frames: Tensor | None = None
    ) -> Tensor:
        """See the class. Where `mask_frames` (rows, frames), bool, is False a frame is padding that no other looks at.

        Raises ValueError for more frames than there are positions.
        """
        length = x.shape[-1] + 1
        if length > self.config.positions:
            raise ValueError(f"this network takes at most {self.config.positions - 1} frames at once, got {length - 1}")
        frames = self.input_process["poseEmbedding"](x.transpose(1, 2))
        token = self._token(times, condition)
        sequence = torch.cat([token[:, None], frames], 1) + self.sequence_pos_encoder.pe[:length, 0]
        padding = None if mask_frames is None else ~pad(mask_frames, (1, 0), value=True)
        out = self.seqTransEncoder(sequence, src_key_padding_mask=padding)[:, 1:]
        x0: Tensor = self.output_process["poseFinal"](out).transpose(1, 2)
        return x0

    def _token(self, times: Tensor, condition: Tensor | None) -> Tensor:
        """Time and condition (rows, width)."""
        token: Tensor = self.embed_timestep(times)
        if self.config.text:
            none = token.new_zeros(len(token), self.config.text)
            token = token + self.embed_text(none if condition is None else condition.to(token.dtype))
        if self.config.actions and condition is not None:
            token = token + self.embed_action(condition)
        return token
