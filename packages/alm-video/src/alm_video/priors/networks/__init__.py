"""Networks that no library has, in plain torch."""

__all__: list[str] = []
