"""The default: no network, the picture's own patches (`alm_core.exemplar`)."""

from dataclasses import dataclass

from alm_core import Conditions, Level, Prediction, Prior
from alm_core.exemplar import ExemplarPrior
from torch import Tensor

from alm_image.priors.weightless import NEARNESS, PATCHES, Weightless

__all__ = ["Exemplar", "refuse_exemplar"]


@dataclass(frozen=True)
class Exemplar(Weightless):
    """An `ImagePrior` made afresh from each picture; `examples` are further pictures, pixels (1, 3, h, w).

    It knows texture and structure of the picture itself and nothing else: prefer a pretrained model where the hole must
    hold something that is not in the picture.
    """

    examples: tuple[Tensor, ...] = ()

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """The patch density of what is given. Raises ValueError where not even a patch of 3 × 3 is."""
        examples = [example[0] for example in self.examples]
        for patch in PATCHES:
            try:
                return ExemplarPrior(x_0, mask, examples=examples, patch=patch, nearness=NEARNESS)
            except ValueError:  # no patch of this size was given whole: a small picture may have a smaller one
                continue
        raise ValueError(
            "too little of the picture is given: the exemplar prior wants at least 3 x 3 given pixels in one place; "
            "leave more of the mask black, or name a model with --model (prior=load_prior(…))"
        )

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused: without a picture there are no exemplars."""
        raise ValueError("the exemplar prior predicts nothing before it is given a picture: use `given`")

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        """Refuses a prompt."""
        if prompt or negative_prompt:
            raise ValueError(
                f"the exemplar prior does not use a prompt, got {prompt or negative_prompt!r}: "
                "leave it out, or name a text-to-image model with --model (prior=load_prior(…))"
            )
        return None


def refuse_exemplar(prior: object) -> None:
    """Raises ValueError for this prior where all is to be made, and no picture is given to make it from."""
    if isinstance(prior, Exemplar):
        raise ValueError(
            "the exemplar prior is made from the given part of a picture, and here nothing is given: use --model "
            "examples (prior=Examples()), whose prompts are pictures, or name a model (prior=load_prior(…))"
        )
