"""Networks whose code comes with no package: written here, key-compatible with the published checkpoints."""

__all__: list[str] = []
