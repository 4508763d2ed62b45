"""Pictures to be measured, and weights by a seed."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

__all__ = ["colours", "pair", "save_clip", "save_pairs", "save_pictures", "save_set", "seeded", "smooth"]


def smooth(count: int, size: tuple[int, int], seed: int) -> Tensor:
    """Float32 (count, 3, *size) in [−1, 1]: noise that was blurred, so that there is something to see."""
    random = np.random.default_rng(seed).random((count, 3, *size))
    x = avg_pool2d(torch.from_numpy(random), 5, 1, 2)
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (2 * (x - low) / (high - low) - 1).float()


def pair(count: int, size: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Pictures, and the same before noise of another strength each was added."""
    truth = smooth(count, size, seed)
    noise = torch.from_numpy(np.random.default_rng(seed + 1000).standard_normal(truth.shape)).float()
    strength = 0.1 * torch.arange(1, count + 1)[:, None, None, None]
    return (truth + strength * noise).clamp(-1, 1), truth


def seeded(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, Tensor]:
    """Weights of these shapes that keep activations at about their size."""
    random = np.random.default_rng(seed)
    found = {}
    for name in sorted(shapes):
        shape = tuple(shapes[name])
        values = random.standard_normal(shape)
        if name.startswith("lin"):
            values = np.abs(values)  # LPIPS's heads are not below 0
        elif name.endswith("running_var"):
            values = 0.5 + np.abs(values)
        elif name.endswith("bn.weight"):
            values = 1 + 0.1 * values
        elif len(shape) == 4:
            values = values * (2 / prod(shape[1:])) ** 0.5
        else:
            values = 0.1 * values
        found[name] = torch.from_numpy(values).float()
    return found


def save_pictures(folder: Path, pixels: Tensor, names: Sequence[str] | None = None, ending: str = "png") -> Path:
    """The folder, with pixels in [−1, 1] as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(pixels):
        levels = ((each + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
        name = names[number] if names else f"picture-{number}"
        Image.fromarray(levels).save(folder / f"{name}.{ending}", lossless=True)
    return folder


def save_clip(folder: Path) -> None:
    """A tiny CLIP of embeddings of 24, with a tokenizer over single letters."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(vocab={token: index for index, token in enumerate(tokens)}, merges=[]).save_pretrained(folder)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    ends = {"bos_token_id": 188, "eos_token_id": 189, "pad_token_id": 189}
    text = {**size, **ends, "vocab_size": 190, "max_position_embeddings": 20}
    vision = {**size, "image_size": 12, "patch_size": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
        for weights in model.parameters():
            torch.nn.init.normal_(weights, std=0.3)
        # So that what is seen weighs as much as what the model brings with it.
        torch.nn.init.normal_(model.vision_model.embeddings.patch_embedding.weight, std=2.0)
    model.save_pretrained(folder)


def colours(pixels: Tensor) -> Tensor:
    """Features in place of Inception's: means and deviations of colours."""
    return torch.cat([pixels.mean((2, 3)), pixels.std((2, 3))], 1)


def save_pairs(folder: Path) -> tuple[Path, Path, Path]:
    """Made pictures, truths and masks: four of one size, then one of another."""
    (folder / "masks").mkdir()
    for size, names, seed in (((40, 36), ["1", "2", "3", "10"], 0), ((33, 48), ["x"], 1)):
        made, truth = pair(len(names), size, seed)
        save_pictures(folder / "made", made, names)
        save_pictures(folder / "truth", truth, names, "webp")
        for number, name in enumerate(names):
            mask = np.zeros(size, np.uint8)
            mask[5 : 12 + number, 3 : 20 + number] = 255
            Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return folder / "made", folder / "truth", folder / "masks"


def save_set(folder: Path) -> tuple[Path, Path]:
    """Twelve made pictures that are wider than high, and nine references."""
    save_pictures(folder / "wide", smooth(12, (16, 50), 5))
    save_pictures(folder / "references", smooth(9, (16, 16), 6) * 0.8)
    return folder / "wide", folder / "references"
