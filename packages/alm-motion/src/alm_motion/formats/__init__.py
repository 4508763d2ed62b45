"""Formats of motion files: text and bytes in, arrays out, and back. Opening and writing files is for `io`."""

from alm_motion.formats.errors import FormatError

__all__ = ["FormatError"]
