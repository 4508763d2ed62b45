"""What a video file holds, found by reading it through: its frames are counted, whatever the container claims."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

__all__ = ["Scan", "picture_stream", "scan"]

PLAIN = {"h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg", "prores", "dnxhd", "ffv1", "png"}
"""Codecs with one picture a packet: their packets' time stamps are the frames'."""
TRIAL = 64
"""How many frames are decoded to see whether the packets tell the truth; more than any codec reorders."""
TEXT = {"ansi", "bintext", "xbin", "idf"}
"""Codecs by which ffmpeg draws text files: no videos."""


@dataclass(frozen=True)
class Scan:
    """The time stamps of the frames in the order in which they are shown, in units of `time_base`.

    `exact`: each frame carries its own, so that it can be sought. `rates` are the container's claims, `length` the last
    frame's duration in seconds. `cut`: the file breaks off.
    """

    pts: NDArray[np.int64]
    exact: bool
    time_base: Fraction
    rates: tuple[Fraction, ...]
    length: float
    cut: bool


@dataclass(frozen=True)
class _Packets:
    pts: list[int]
    plain: bool
    length: int
    cut: bool


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first stream of moving pictures; an album's cover is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context.name not in TEXT:
            return stream
    return None


def scan(path: Path) -> Scan:
    """Reads all packets, and decodes all frames where packets do not tell. Raises av.error.FFmpegError."""
    with av.open(path.absolute()) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ValueError(f"{path} has no video stream")
        base = stream.time_base or Fraction(1, 90_000)
        rates = tuple(rate for rate in (stream.average_rate, stream.guessed_rate) if rate)
        packets = _packets(container, stream)
    length = float(packets.length * base)
    if packets.plain:
        known = sorted(packets.pts)
        few = _decoded(path, TRIAL)
        if len(few) == min(TRIAL, len(known)) and few == known[: len(few)]:
            return Scan(np.array(known, np.int64), True, base, rates, length, packets.cut)
    found = _decoded(path, whole=packets.cut)
    at = [pts for pts in found if pts is not None]
    if len(at) < len(found):
        step = 1 / float((rates[0] if rates else 24) * base)
        return Scan(np.array([round(n * step) for n in range(len(found))]), False, base, rates, length, packets.cut)
    # Stamps out of order are those of the packets: the decoder's order is the one that is shown.
    shown = sorted(at)
    exact = shown == at and len(set(at)) == len(at)
    return Scan(np.array(shown, np.int64), exact, base, rates, length, packets.cut)


def _packets(container: InputContainer, stream: VideoStream) -> _Packets:
    pts: list[int] = []
    plain, cut, length = stream.codec_context.name in PLAIN, False, 0
    last = 0.0
    try:
        for packet in container.demux():
            if packet.size == 0 and packet.dts is None:
                continue
            at = packet.dts if packet.pts is None else packet.pts
            if at is not None:
                last = max(last, float((at + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index != stream.index:
                continue
            plain &= packet.pts is not None and not packet.is_discard and (bool(pts) or packet.is_keyframe)
            cut |= packet.is_corrupt
            length = packet.duration or 0
            if packet.pts is not None:
                pts.append(packet.pts)
    except av.error.FFmpegError:
        cut = True
    plain &= len(set(pts)) == len(pts) and stream.frames in (0, len(pts))
    # Containers with the length in front tell that way that their end is missing. AVI counts repeated frames, too, so
    # that a smaller number alone tells nothing.
    if stream.frames > len(pts) and stream.duration and pts:
        cut |= max(pts) + 2 * length <= (stream.start_time or 0) + stream.duration
    if container.duration and pts:
        whole = (container.duration + max(container.start_time or 0, 0)) / av.time_base
        cut |= last < whole - max(0.5, 0.02 * whole)
    return _Packets(pts, plain and not cut, length, cut)


def _decoded(path: Path, most: int | None = None, *, whole: bool = False) -> list[int | None]:
    """The time stamps of frames as they come from the decoder, up to where it fails; `whole` ones alone, if so."""
    found: list[int | None] = []
    with av.open(path.absolute()) as container:
        stream = picture_stream(container)
        if stream is None:
            return found
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                if not (whole and frame.is_corrupt):
                    found.append(frame.pts)
                if len(found) == most:
                    break
        except av.error.FFmpegError:
            return found
    return found
