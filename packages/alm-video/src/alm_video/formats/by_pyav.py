"""Video files by PyAV (ffmpeg): every frame upright, with square pixels, in full-range RGB.

The conversion to RGB is ffmpeg's with its accurate flags. Its default, which decord has too, rounds down and spreads
colour from the nearest sample: pictures come out about 1.5 levels too dark, more with every time a film is read and
written.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from alm_video.film import Film, Frame
from alm_video.formats.scan import Scan, picture_stream, scan
from alm_video.formats.timing import plan

__all__ = ["Turn", "Video", "film_of", "look", "matrix_of", "turned"]

Turn = tuple[int, int, int, int]
"""Signs (a, b, c, d) of a display matrix: pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift."""
UPRIGHT: Turn = (1, 0, 0, 1)
FLAGS = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""ffmpeg's numbers of colour matrices, in frames and in its scaler: BT.709, FCC, BT.601 twice, 240M, BT.2020 twice."""
UNSAID, BT601, BT709 = 2, 5, 1
INCOMPLETE = (av.error.InvalidDataError, av.error.EOFError)
HDR = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True)
class Video:
    """A video file and what is known of it. `height` and `width` are of its frames before they are turned upright."""

    path: Path
    scan: Scan
    height: int
    width: int
    square: bool
    turn: Turn
    sound: bool

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the frames as they are shown."""
        return (self.height, self.width) if self.turn[0] else (self.width, self.height)


def look(path: Path) -> Video:
    """What the file holds. Raises ValueError where it is no video that can be read."""
    try:
        with av.open(path.absolute()) as container:
            stream = picture_stream(container)
            if stream is None:
                held = "only sound" if container.streams.audio else "no video stream"
                raise ValueError(f"{path} holds {held}: a file with moving pictures is wanted")
            context = stream.codec_context
            if int(context.color_trc or 0) in HDR:
                raise ValueError(
                    f"{path} is an HDR film ({HDR[int(context.color_trc)]}), whose colours an 8-bit RGB frame cannot "
                    "hold: convert it to SDR (BT.709) first"
                )
            aspect = stream.sample_aspect_ratio or Fraction(1)
            first = next(iter(container.decode(stream)), None)
            sound = bool(container.streams.audio)
        if first is None:
            raise ValueError(f"{path} holds no frame: its video stream is empty")
        found = scan(path)
    except av.error.FFmpegError as error:
        other = "; it is another kind of file, or incomplete" if isinstance(error, INCOMPLETE) else ""
        raise ValueError(f"{path} cannot be read as a video: {error.strerror or error}{other}") from None
    count = len(found.pts)
    if found.cut:
        raise ValueError(
            f"{path} breaks off after {count} frame{'s' * (count != 1)}: fetch it anew, or keep what is there by "
            f"ffmpeg -fflags +discardcorrupt -i {path.name} -c copy whole{path.suffix}"
        )
    # Even, so that the film need not be padded when it is written as MP4.
    width = first.width if aspect in (0, 1) else max(2, 2 * round(first.width * aspect / 2))
    return Video(path, found, first.height, width, width == first.width, matrix_of(first), sound)


def film_of(
    path: Path, fps: Fraction | None, reader: Callable[[Video, int], Iterator[tuple[int, Frame]]] | None = None
) -> Film:
    """The film in a file; `reader` yields numbered frames from at least that number on. Raises ValueError."""
    video = look(path)
    times = (video.scan.pts - video.scan.pts[0]) * float(video.scan.time_base)
    tick = max(float(video.scan.time_base), 0.001)
    rates = video.scan.rates
    last = video.scan.length or (float(times[-1]) / (len(times) - 1) if len(times) > 1 else 1 / float((*rates, 24)[0]))
    rate, source = plan(times, float(times[-1]) + last, rates, tick=tick, fps=fps)
    numbered = reader or _numbered

    def read(start: int, stop: int) -> Iterator[Frame]:
        wanted = source[start:stop].tolist()
        if not wanted:
            return
        done = 0
        try:
            for number, frame in numbered(video, wanted[0]):
                if number > wanted[done]:
                    break
                while done < len(wanted) and wanted[done] == number:
                    yield frame
                    done += 1
                if done == len(wanted):
                    return
        except av.error.FFmpegError as error:
            why = str(error.strerror or error)
        else:
            why = "it is not there any more"
        raise ValueError(f"{path}: frame {start + done} of {len(source)} cannot be read ({why}): the file is damaged")

    height, width = video.sides
    return Film(height, width, rate, len(source), read, path if video.sound else None)


def matrix_of(frame: VideoFrame) -> Turn:
    """How the frame is turned or flipped to be shown; a slant is left alone."""
    # PyAV calls this a dictionary, but its items are what it yields.
    held = cast("Iterable[SideData]", frame.side_data)
    data = next((data for data in held if data.type is Type.DISPLAYMATRIX), None)
    if data is None:
        return UPRIGHT
    m = np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]] / 65536
    a, b, c, d = (round(float(x)) for x in m)
    quarter = abs(a) == abs(d) and abs(b) == abs(c) and abs(a) + abs(b) == 1 and np.abs(m - (a, b, c, d)).max() < 0.01
    return (a, b, c, d) if quarter else UPRIGHT


def turned(frame: Frame, turn: Turn) -> Frame:
    """The frame as it is shown."""
    a, b, c, d = turn
    if a:
        return np.ascontiguousarray(frame[::d, ::a])
    return np.ascontiguousarray(frame.transpose(1, 0, 2)[::b, ::c])


def _numbered(video: Video, first: int) -> Iterator[tuple[int, Frame]]:
    """Frames with their numbers, from `first` on."""
    rgb = VideoReformatter()
    sought = first > 0 and video.scan.exact
    for number, frame in _decoded(video, first if sought else 0):
        if sought and number > first:
            break
        sought = False
        if number >= first:
            yield number, turned(_rgb(frame, rgb, video), video.turn)
    else:
        if not sought:
            return
    # The place found by seeking lies after the wanted frame: some files' indices are wrong.
    for number, frame in _decoded(video, 0):
        if number >= first:
            yield number, turned(_rgb(frame, rgb, video), video.turn)


def _decoded(video: Video, near: int) -> Iterator[tuple[int, VideoFrame]]:
    """Frames with their numbers as they come from the decoder, from a key frame before `near` on, or from the first."""
    pts = video.scan.pts
    with av.open(video.path.absolute()) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ValueError(f"{video.path} has changed: it holds no video any more")
        stream.thread_type = "AUTO"
        if near:
            container.seek(int(pts[near]), stream=stream, backward=True)
        for place, frame in enumerate(container.decode(stream)):
            if not video.scan.exact:
                yield place, frame
            elif frame.pts is not None:
                number = int(np.searchsorted(pts, frame.pts))
                if number < len(pts) and pts[number] == frame.pts:
                    yield number, frame


def _rgb(frame: VideoFrame, converter: VideoReformatter, video: Video) -> NDArray[np.uint8]:
    matrix = frame.colorspace
    if matrix == UNSAID and not frame.format.is_rgb:
        # What players take a file to mean that does not say.
        matrix = BT709 if video.height >= 720 or video.width >= 1280 else BT601
    made = converter.reformat(
        frame,
        width=video.width,
        height=video.height,
        format="rgb24",
        src_colorspace=MATRICES.get(int(matrix)),
        dst_color_range=ColorRange.JPEG,
        interpolation=FLAGS,
    )
    return np.asarray(made.to_ndarray(), np.uint8)
