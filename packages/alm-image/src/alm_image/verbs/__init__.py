"""The verbs of the command line: each file adds its flags and turns them into one call."""

from alm_image.verbs import inpaint, models, outpaint, wide

__all__ = ["VERBS"]

VERBS = {
    "inpaint": ("fill a hole in a picture", inpaint.add, inpaint.run),
    "outpaint": ("continue a picture beyond its borders", outpaint.add, outpaint.run),
    "wide": ("make a wide picture, from a prompt or around a picture", wide.add, wide.run),
    "models": ("list the models that --model takes", models.add, models.run),
}
"""What each does, how it adds its flags, and how it runs."""
