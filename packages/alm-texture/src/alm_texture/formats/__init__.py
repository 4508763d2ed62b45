"""Mesh files as they stand: one reader a format, each to the same `Raw`, which `alm_texture.io` checks."""

from alm_texture.formats.raw import FormatError, Page, Raw

__all__ = ["FormatError", "Page", "Raw"]
