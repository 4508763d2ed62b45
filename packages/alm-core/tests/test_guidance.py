"""Classifier-free guidance by hand, over a network that anyone can compute."""

import pytest
import torch
from alm_core.guidance import ClassifierFree, Condition, Embedding, Unguided, batched, known_conditions
from torch import Tensor


class Line:
    """time · scale · x + shift, with one row's scale and shift in its embedding; it notes what it was called with."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        self.rows.append(len(x))
        scale, shift = embedding
        return time * scale[:, None] * x + shift


def told(scale: float, shift: float) -> Embedding:
    return torch.tensor(scale), torch.tensor([shift, 2 * shift])


CONDITIONS = (Condition(told(2, 0.5), told(-1, 0.25)), Condition(told(3, 1), told(0.5, -2)))


def test_unguided_is_the_positive_output_of_each_row() -> None:
    network, x = Line(), torch.tensor([[1.0, 2], [3, 5]])
    found = Unguided(network)(x, 0.5, CONDITIONS)
    torch.testing.assert_close(found, torch.tensor([[1 + 0.5, 2 + 1], [4.5 + 1, 7.5 + 2]]))
    assert (network.rows, Unguided(network).rows) == ([2], 1)


def test_guidance_goes_from_the_negative_output_g_times_towards_the_positive() -> None:
    network, x = Line(), torch.tensor([[1.0, 2], [3, 5]])
    found = ClassifierFree(network, 4.0)(x, 0.5, CONDITIONS)
    negative = torch.tensor([[-0.5 + 0.25, -1 + 0.5], [0.75 - 2, 1.25 - 4]])
    positive = torch.tensor([[1.5, 3], [5.5, 9.5]])
    torch.testing.assert_close(found, negative + 4 * (positive - negative))
    assert (network.rows, ClassifierFree(network, 4.0).rows) == ([4], 2)


def test_embeddings_are_stacked_part_by_part() -> None:
    parts = batched([c.positive for c in CONDITIONS])
    assert [part.tolist() for part in parts] == [[2, 3], [[0.5, 1], [1, 2]]]
    with pytest.raises(ValueError, match="shorter"):
        batched([told(1, 1), told(1, 1)[:1]])


def test_another_number_of_conditions_or_others_are_refused() -> None:
    assert list(known_conditions(CONDITIONS, 2)) == list(CONDITIONS)
    for conditions, rows, found in ((CONDITIONS, 3, 2), (None, 2, 0), (("a", CONDITIONS[0]), 2, 1)):
        with pytest.raises(
            ValueError, match=f"one condition of this prior a row is wanted: got {found} for {rows} rows"
        ):
            known_conditions(conditions, rows)
