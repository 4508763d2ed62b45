"""The prompts of an edit: what the picture shows, what it is to show, and the words in which these differ."""

from dataclasses import dataclass
from pathlib import Path

from alm_image.captions import Captioner
from alm_image.io import Picture
from alm_image.words import differing, swapped

__all__ = ["Said", "said_of"]


@dataclass(frozen=True)
class Said:
    """The source prompt, the target prompt, and the words whose attention is to be read."""

    source: str
    target: str
    words: tuple[str, ...]


def said_of(
    picture: Picture,
    prompt: str,
    source: str | None,
    swap: tuple[str, str] | None,
    word: str | None,
    captioner: str | Path | None,
    read: bool,
) -> Said:
    """The prompts, and with `read` the words. Raises ValueError where they do not go together."""
    if swap and prompt:
        raise ValueError("a swap makes the prompt from the source prompt: give the one or the other")
    if source and captioner:
        raise ValueError("the captioner makes the source prompt: give the one or the other")
    if word and not read:
        raise ValueError("the mask says where to edit, so no word is looked for: give the one or the other")
    if not (source or captioner) and (swap or read):
        raise ValueError(
            "the source prompt is wanted, which says what the picture shows: give it, or the folder of a captioner"
            + (", or a mask" if read and not swap else "")
        )
    if read and not (prompt or swap):
        raise ValueError("say what the picture is to show: give a prompt, or a swap of two words")
    source = Captioner.load(captioner)(picture) if captioner else source or ""
    target = swapped(source, *swap) if swap else prompt
    if not read:
        return Said(source, target, ())
    return Said(source, target, (word,) if word else (swap[0],) if swap else differing(source, target))
