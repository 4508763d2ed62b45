"""`alm-motion long`."""

import argparse

from alm_motion.complete import Result
from alm_motion.long import STRETCH, long
from alm_motion.options import Settings
from alm_motion.stretches import CONTEXT
from alm_motion.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--seconds", type=float, required=True, help="how long it is to be")
    parser.add_argument(
        "--prompt",
        dest="prompts",
        action="append",
        help="what to show; several times with the second from which on: 4.5:salsa",
    )
    parser.add_argument("--fps", type=float, default=60.0, help="frames a second of the result (60)")
    parser.add_argument("--loop", action="store_true", help="let the end run into the beginning")
    parser.add_argument("--stretch", type=int, default=STRETCH, help=f"frames made at once, at 20 a second ({STRETCH})")
    parser.add_argument("--overlap", type=int, default=CONTEXT, help=f"of which so many are given ({CONTEXT})")
    common.add_work(parser, prompt=False)
    parser.set_defaults(prompt="")


def run(flags: argparse.Namespace) -> None:
    """Makes a motion from nothing and writes what was asked for, all or nothing."""
    prompts = _prompts(flags.prompts or [])

    def verb(settings: Settings) -> Result:
        return long(
            flags.seconds,
            prompts=prompts,
            fps=flags.fps,
            loop=flags.loop,
            stretch=flags.stretch,
            overlap=flags.overlap,
            **settings,
        )

    common.work(flags, verb, None)


def _prompts(texts: list[str]) -> dict[float, str]:
    """Prompts by the second that they begin at; one without a number begins at 0."""
    found: dict[float, str] = {}
    for text in texts:
        at, colon, prompt = text.partition(":")
        try:
            begin, prompt = (float(at), prompt.strip()) if colon else (0.0, text)
        except ValueError:
            begin, prompt = 0.0, text
        if begin in found:
            raise ValueError(f"two prompts begin at {begin:g} s: {found[begin]!r} and {prompt!r}")
        found[begin] = prompt
    return found
