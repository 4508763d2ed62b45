"""How a model is to be run, and where: checked before anything is loaded."""

from dataclasses import dataclass

import torch

__all__ = ["Options", "as_device", "as_dtype"]

DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


@dataclass(frozen=True)
class Options:
    """What is asked of a network, whatever it makes.

    `dtype` None is the family's usual one, `variant` names a set of weights, `guidance` None is the family's usual
    scale. `offload` keeps each part in main memory until it is used, `vae_tiling` decodes in tiles, and `attention`
    names how attention is computed. Raises ValueError where they do not go together.
    """

    device: torch.device
    dtype: torch.dtype | None = None
    variant: str | None = None
    guidance: float | None = None
    offload: bool = False
    vae_tiling: bool = False
    attention: str | None = None

    def __post_init__(self) -> None:
        """Checks what does not depend on the model."""
        if self.offload and self.device.type == "cpu":
            raise ValueError(
                "offload keeps the model in main memory until a part of it is used on an accelerator, but the device "
                "is the CPU: leave offload out, or give device='cuda'"
            )
        if self.guidance is not None and not self.guidance >= 0:
            raise ValueError(f"guidance must be 0 or more, got {self.guidance}")

    def check_single(self, family: str) -> None:
        """Raises ValueError where guidance, a VAE or parts are asked of a model that is one network."""
        if self.guidance not in (None, 1):
            raise ValueError(f"a {family} model has no guidance, got {self.guidance}: leave guidance out")
        if self.vae_tiling:
            raise ValueError(f"a {family} model has no VAE to tile: leave vae_tiling out")
        if self.offload:
            raise ValueError(f"a {family} model is one network, with no parts to offload in turn: leave offload out")

    def narrow(self, half: torch.dtype) -> torch.dtype:
        """The network's dtype: as asked, else float32 on a CPU and `half`, the family's own, on accelerators."""
        return self.dtype or (torch.float32 if self.device.type == "cpu" else half)

    def scale(self, otherwise: float) -> float:
        """The guidance: as asked, else the family's own."""
        return otherwise if self.guidance is None else float(self.guidance)


def as_device(device: str | torch.device) -> torch.device:
    """A usable device. Raises ValueError for an unknown or absent one."""
    try:
        found = torch.device(device)
    except RuntimeError:
        raise ValueError(f"unknown device {device!r}: wanted cpu, cuda, cuda:1, mps, …") from None
    absent = (found.type == "cuda" and not torch.cuda.is_available()) or (
        found.type == "mps" and not torch.backends.mps.is_available()
    )
    try:
        torch.empty(0, device="cpu" if absent else found)
    except (RuntimeError, AssertionError, NotImplementedError):  # one that is there but has no such number, or no build
        absent = True
    if absent:
        raise ValueError(f"device {str(found)!r} is not available here: use device='cpu'")
    return found


def as_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """A dtype from its name. Raises ValueError for another than float32, float16 and bfloat16."""
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if dtype is not None and found not in DTYPES.values():
        raise ValueError(f"dtype must be float32, float16 or bfloat16, got {dtype}")
    return found
