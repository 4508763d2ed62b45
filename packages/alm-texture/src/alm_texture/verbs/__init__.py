"""The verbs of the command line: each file adds its flags and turns them into one call."""

from alm_texture.verbs import bake, models, paint, render, unwrap, views

__all__ = ["VERBS"]

VERBS = {
    "paint": ("paint a mesh from its views", paint.add, paint.run),
    "unwrap": ("give a mesh new UVs", unwrap.add, unwrap.run),
    "views": ("choose cameras around a mesh, and say what they see", views.add, views.run),
    "render": ("draw a mesh from its views, with a file of the cameras", render.add, render.run),
    "bake": ("project pictures of views onto a mesh", bake.add, bake.run),
    "models": ("list the models that paint takes", models.add, models.run),
}
"""What each does, how it adds its flags, and how it runs."""
