"""`alm-image edit`."""

import argparse
from pathlib import Path

from alm_image.edit import THRESHOLD, EditResult, edit
from alm_image.io import check_output, read_mask, read_picture, save_images
from alm_image.verbs import common
from alm_image.words import swapped

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("image", type=Path, help="the picture: PNG, JPEG or WebP")
    what = parser.add_argument_group("edit")
    what.add_argument("--source-prompt", help="what the picture shows")
    what.add_argument("--captioner", type=Path, metavar="DIR", help="a BLIP model's folder, to write the source prompt")
    what.add_argument("--swap", nargs=2, metavar=("OLD", "NEW"), help="make --prompt of the source prompt")
    what.add_argument("--word", help="what to edit, in words of the source prompt (those that --prompt has not)")
    what.add_argument("--threshold", type=float, help=f"of attention to the word, above which is edited ({THRESHOLD})")
    what.add_argument("--mask", type=Path, help="a picture of the same size instead of a word: white is to be edited")
    what.add_argument("--save-mask", type=Path, metavar="FILE", help="where the mask is written (NAME-mask.png)")
    what.add_argument("--raw", action="store_true", help="do not put the source back outside the mask")
    common.add_output(parser)
    common.add_model(parser, default="examples")
    common.add_solver(parser, common.COUPLED)
    parser.set_defaults(method="syncsde")
    parser.add_argument("--blend", choices=common.BLENDS, help="how to paste the result (gaussian)")
    common.add_report(parser)


def run(flags: argparse.Namespace) -> None:
    """Edits the picture and writes it, the mask, and the map that it came from, all or nothing."""
    picture = read_picture(flags.image)
    if flags.mask is not None:
        read_mask(flags.mask, picture)
    examples = common.example_inputs(flags.model, _prompts(flags))
    inputs = [path for path in (flags.image, flags.mask, *examples) if path is not None]
    paths = common.outputs(flags, picture.alpha is not None, inputs)
    masks = _masks(flags, [*paths, *inputs])
    with common.settled(flags, len(paths)) as settings:
        edited = edit(
            flags.image,
            source_prompt=flags.source_prompt,
            swap=tuple(flags.swap) if flags.swap else None,
            word=flags.word,
            mask=flags.mask,
            threshold=flags.threshold,
            captioner=flags.captioner,
            paste=not flags.raw,
            **settings,
        )
    pictures = [edited.mask] if edited.soft is None else [edited.mask, edited.soft]
    save_images([*edited.result.images, *pictures[: len(masks)]], [*paths, *masks])
    common.tell(flags, edited.result, paths, **_report(edited, masks))


def _prompts(flags: argparse.Namespace) -> list[str]:
    """The prompts that the flags give, and the one that a swap makes."""
    source: str = flags.source_prompt or ""
    return [flags.prompt, source, *([swapped(source, *flags.swap)] if source and flags.swap else [])]


def _masks(flags: argparse.Namespace, taken: list[Path]) -> list[Path]:
    """Where the mask and the map go, checked; a mask that was given is written only where it is asked for."""
    mask: Path | None = flags.save_mask
    if mask is None and flags.mask is None:
        mask = flags.output[0].with_name(f"{flags.output[0].stem}-mask.png")
    if mask is None:
        return []
    paths = [mask] if flags.mask is not None else [mask, mask.with_stem(f"{mask.stem}-soft")]
    for path in paths:
        if path.resolve() in {other.resolve() for other in taken}:
            other = "choose another name" if flags.save_mask else "name one with --save-mask"
            raise ValueError(f"the mask would be written to {path}, which is another file of this job: {other}")
    return [check_output(path, overwrite=flags.overwrite) for path in paths]


def _report(edited: EditResult, masks: list[Path]) -> dict[str, object]:
    """What --json says besides."""
    names = dict(zip(("mask", "soft"), map(str, masks), strict=False))
    prompts = {"source_prompt": edited.source_prompt, "prompt": edited.prompt, "words": list(edited.words)}
    return {**names, **prompts, "edited": round(edited.edited, 6), "size": list(edited.size)}
