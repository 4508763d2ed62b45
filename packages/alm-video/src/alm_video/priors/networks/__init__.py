"""Networks that no library has, in plain torch."""
