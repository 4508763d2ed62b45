"""The verbs of the command line: each file adds its flags and turns them into one call."""

from alm_video.verbs import evaluate, extend, generate, inbetween, models

__all__ = ["VERBS"]

VERBS = {
    "extend": ("continue a clip after its end or before its beginning, or close it to a loop", extend.add, extend.run),
    "inbetween": ("make what lies between two clips", inbetween.add, inbetween.run),
    "generate": ("make a long video from prompts", generate.add, generate.run),
    "evaluate": ("measure a video, or folders of them by the paper's protocol", evaluate.add, evaluate.run),
    "models": ("list the models that --model takes", models.add, models.run),
}
"""What each does, how it adds its flags, and how it runs."""
