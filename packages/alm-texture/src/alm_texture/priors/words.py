"""Words for the side of the mesh that a view shows, and the negative prompt."""

__all__ = ["NEGATIVE_PROMPT", "OPPOSITE", "directed"]

NEGATIVE_PROMPT = "oversmoothed, blurry, depth of field, out of focus, low quality, bloom, glowing effect."
"""ALM B.4, for all methods: what is led away from where the caller names nothing."""

OPPOSITE = {"front": "back", "side": "front", "back": "front", "top": "bottom", "bottom": "top"}
"""What the negative prompt of a direction says. A side's is the front, as released code has it: what goes wrong there
is a second face."""


def directed(prompt: str, direction: str) -> str:
    """The prompt with its direction, as released code has it: "a red boat, front view."."""
    return f"{prompt}, {direction} view." if prompt.strip() else f"{direction} view."
