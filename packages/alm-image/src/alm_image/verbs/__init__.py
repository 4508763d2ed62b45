"""The verbs of the command line: each file adds its flags and turns them into one call."""

from alm_image.verbs import anagram, edit, evaluate, inpaint, models, outpaint, regions, wide

__all__ = ["VERBS"]

VERBS = {
    "inpaint": ("fill a hole in a picture", inpaint.add, inpaint.run),
    "outpaint": ("continue a picture beyond its borders", outpaint.add, outpaint.run),
    "wide": ("make a wide picture, from a prompt or around a picture", wide.add, wide.run),
    "edit": ("edit a picture by words, or by a mask", edit.add, edit.run),
    "anagram": ("make a picture that shows another thing when it is turned", anagram.add, anagram.run),
    "regions": ("make a picture of which parts have prompts of their own", regions.add, regions.run),
    "evaluate": ("measure pictures beside their truths, or a set of them", evaluate.add, evaluate.run),
    "models": ("list the models that --model takes", models.add, models.run),
}
"""What each does, how it adds its flags, and how it runs."""
