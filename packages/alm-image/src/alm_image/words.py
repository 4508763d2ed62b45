"""Words of prompts: which differ, one in the place of another, and where their tokens stand."""

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["differing", "positions", "swapped", "words_of"]


def words_of(prompt: str) -> list[str]:
    """The words of a prompt, in order."""
    return re.findall(r"\w+(?:['’-]\w+)*", prompt)


def differing(source: str, target: str) -> tuple[str, ...]:
    """The words of the source prompt that the target prompt has not. Raises ValueError where there are none."""
    kept = {word.lower() for word in words_of(target)}
    found = tuple(dict.fromkeys(word for word in words_of(source) if word.lower() not in kept))
    if not found:
        raise ValueError(
            f"every word of the source prompt {source!r} is in the prompt {target!r} too, so nothing says what to "
            "edit: name it with word (--word), or give a mask (--mask)"
        )
    return found


def swapped(prompt: str, old: str, new: str) -> str:
    """The prompt with every `old` replaced by `new`, whole words of any case. Raises ValueError where it has none."""
    if not old.strip() or not new.strip():
        raise ValueError(f"a swap wants two words, got {old!r} and {new!r}")
    made, count = _pattern(old).subn(lambda _: new, prompt)
    if not count:
        raise _absent(old, prompt)
    return made


def positions(tokenizer: Any, prompt: str, words: Sequence[str], length: int | None = None) -> tuple[int, ...]:
    """Where the tokens of the words stand in what a network reads of the prompt: all tokens of all places of each.

    `tokenizer` is the pipeline's, `length` how many tokens are read, by default as many as it says. Raises ValueError
    for a word that is not in the prompt, or only in the part that is cut off.
    """
    content, length = _tokens(tokenizer, prompt), length or tokenizer.model_max_length
    whole: list[int] = tokenizer(prompt, truncation=True, max_length=length).input_ids
    # Special tokens before the text: those that the truncated text does not begin with.
    first = next(n for n in range(len(whole)) if whole[n : n + 1] == content[:1])
    read = min(len(content), length - len(tokenizer("").input_ids))
    found: set[int] = set()
    for word in words:
        places = [match.span() for match in _pattern(word).finditer(prompt)] if word.strip() else []
        if not places:
            raise _absent(word, prompt)
        # Words are read one by one, so that what stands before one has the tokens that it has alone.
        tokens = {n for a, b in places for n in range(*(len(_tokens(tokenizer, prompt[:end])) for end in (a, b)))}
        if not any(n < read for n in tokens):
            raise ValueError(
                f"{word!r} stands beyond the {read} tokens that this model reads of the prompt: make the prompt shorter"
            )
        found |= {first + n for n in tokens if n < read}
    return tuple(sorted(found))


def _tokens(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text.rstrip(), add_special_tokens=False, verbose=False).input_ids
    return ids


def _pattern(word: str) -> re.Pattern[str]:
    """The word, or several in order, as whole words."""
    inner = r"\s+".join(re.escape(part) for part in word.split())
    return re.compile(rf"(?<!\w){inner}(?!\w)", re.IGNORECASE)


def _absent(word: str, prompt: str) -> ValueError:
    listed = ", ".join(words_of(prompt)) or "no words"
    return ValueError(f"the word {word!r} is not in the source prompt {prompt!r}: it has {listed}")
