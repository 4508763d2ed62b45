"""What a parser raises."""

__all__ = ["FormatError"]


class FormatError(ValueError):
    """The file is not what its name says, or is broken: the message says where, and what was wanted."""
