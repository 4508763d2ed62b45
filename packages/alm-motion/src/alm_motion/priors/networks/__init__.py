"""Networks written here, whose keys are those of published checkpoints."""
