"""The two protocols of the papers' tables of pictures: in pairs with their truths, and as a set."""

from alm_image.evaluation.folders import pictures_of, read_prompts
from alm_image.evaluation.pairs import PAIRED, evaluate_pairs, score_pairs
from alm_image.evaluation.sets import SET, evaluate_set, features_of

__all__ = [
    "PAIRED",
    "SET",
    "evaluate_pairs",
    "evaluate_set",
    "features_of",
    "pictures_of",
    "read_prompts",
    "score_pairs",
]
