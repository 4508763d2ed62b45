"""Networks written here, whose keys are those of published checkpoints."""

__all__: list[str] = []
