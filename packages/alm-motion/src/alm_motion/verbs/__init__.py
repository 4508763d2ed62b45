"""The verbs of the command line: each file adds its flags and turns them into one call."""

from alm_motion.verbs import complete, convert, evaluate, extend, inbetween, long, models, render, train

__all__ = ["VERBS"]

VERBS = {
    "complete": ("make the part of a clip that is not kept", complete.add, complete.run),
    "inbetween": ("make what lies between keyframes", inbetween.add, inbetween.run),
    "extend": ("continue a clip after its end or before its beginning", extend.add, extend.run),
    "long": ("make a long motion from nothing, told what to show when", long.add, long.run),
    "convert": ("write a clip in another format", convert.add, convert.run),
    "render": ("draw a clip as stick figures", render.add, render.run),
    "evaluate": ("measure a completed clip, or a model by the paper's protocol", evaluate.add, evaluate.run),
    "train": ("train a model on clips of yours", train.add, train.run),
    "models": ("list the models that --model takes", models.add, models.run),
}
"""What each does, how it adds its flags, and how it runs."""
