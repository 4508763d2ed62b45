"""Networks that embed motions and their texts, for FID, R-precision, matching score and diversity."""

from alm_motion.evaluators.base import Evaluator, relative_features
from alm_motion.evaluators.t2m import T2MEvaluator, load_evaluator

__all__ = ["Evaluator", "T2MEvaluator", "load_evaluator", "relative_features"]
