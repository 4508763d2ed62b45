"""MP4 and WebM by ffmpeg: BT.709 colours in limited range, said so in the file, at the exact rate."""

import errno
import math
import os
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from alm_video.film import Frame
from alm_video.formats.place import Beside
from alm_video.formats.scan import picture_stream

__all__ = ["MOVIES", "Movie", "Sound", "sound_of", "written_sides"]

MOVIES = (".mp4", ".webm")
COPIED = {".mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"}, ".webm": {"opus", "vorbis"}}
"""The sound that a container takes as it is; other sound is coded anew."""
CODED = {".mp4": ("aac", "-b:a", "192k"), ".webm": ("libopus", "-b:a", "128k")}
FULL = os.strerror(errno.ENOSPC)
TAGS = ("-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
TO_YUV = "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_inp+full_chroma_int"
MARKED = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"


@dataclass(frozen=True)
class Sound:
    """The audio of a file: `codec` is its name in ffmpeg, `lead` the seconds from the file's start to its picture."""

    path: Path
    codec: str
    lead: float


def sound_of(path: Path) -> Sound:
    """The first audio stream of a file. Raises ValueError where it has none."""
    try:
        with av.open(path.absolute()) as container:
            if container.streams.audio:
                stream = picture_stream(container)
                begins = stream.start_time if stream else None
                picture = float(begins * stream.time_base) if stream and begins and stream.time_base else 0.0
                start = (container.start_time or 0) / av.time_base
                return Sound(path, container.streams.audio[0].codec_context.name, max(0.0, picture - start))
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"the sound of {path} cannot be read: {error}") from None
    raise ValueError(f"{path} has no sound to keep: leave the sound out")


def written_sides(path: Path, *, height: int, width: int) -> tuple[int, int]:
    """Height and width of what is written there: an MP4's sides are even, so that odd ones grow by 1."""
    odd = path.suffix.lower() == ".mp4"
    return (height + height % 2, width + width % 2) if odd else (height, width)


class Movie:
    """Frames into one MP4 (H.264) or WebM (VP9), beside its place until `put`.

    H.264 in the 4:2:0 that every player knows has even sides only: of an odd side the last row or column is written
    twice, and no other pixel is touched. `crf` is H.264's, 0 to 51; VP9 gets its equivalent.
    """

    def __init__(
        self, path: Path, *, height: int, width: int, fps: Fraction, crf: float, sound: Sound | None, sound_from: float
    ) -> None:
        self._suffix, self._fps = path.suffix.lower(), fps
        self._sound, self._sound_from = sound, sound_from
        tall, wide = written_sides(path, height=height, width=width)
        self._pad = ((0, tall - height), (0, wide - width), (0, 0))
        self._count = 0
        source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{wide}x{tall}", "-r", _ratio(fps), "-i", "-")
        shape = ("-vf", f"{TO_YUV},format=yuv420p,{MARKED}", *TAGS, "-fps_mode", "passthrough", "-an")
        command = [*_ffmpeg(), *source, *shape, *_codec(self._suffix, crf)]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._beside = Beside(path)
        self._silent = self._beside.folder / f"silent{self._suffix}"
        try:
            self._process = subprocess.Popen(
                [*command, str(self._silent)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
            )
        except OSError:
            self._beside.drop()
            raise

    def add(self, frame: Frame) -> None:
        """One more frame. Raises OSError where ffmpeg has failed."""
        if any(after for _, after in self._pad):
            frame = np.pad(frame, self._pad, mode="edge")
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError:
            self._wait()
            raise
        self._count += 1

    def finish(self) -> None:
        """The film complete, with its sound. Raises OSError."""
        self._wait()
        length = self._count / self._fps
        if self._sound is None or self._sound_from >= length:
            self._silent.replace(self._beside.file)
            return
        sound, shift = self._sound, self._sound_from - self._sound.lead
        late = ("-itsoffset", f"{shift:.6f}") if shift >= 0 else ("-ss", f"{-shift:.6f}")
        codec = ("copy",) if sound.codec in COPIED[self._suffix] else CODED[self._suffix]
        inputs = ("-i", str(self._silent), *late, "-i", str(sound.path.absolute()))
        streams = ("-map", "0:v:0", "-map", "1:a:0", "-c:v", "copy", "-c:a", *codec)
        until = ("-t", f"{math.ceil(length * 10**6) / 10**6:.6f}", *_flags(self._suffix), str(self._beside.file))
        done = subprocess.run([*_ffmpeg(), *inputs, *streams, *until], stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            raise OSError(_last(done.stderr))

    def put(self) -> None:
        """The film to its place."""
        self._beside.put()

    def drop(self) -> None:
        """Nothing left of it beside its place."""
        self._process.kill()
        self._process.wait()
        self._close()
        self._errors.close()
        self._beside.drop()

    def _close(self) -> None:
        # What is still to be flushed can be more than a broken pipe takes: ffmpeg's own word for it counts.
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def _wait(self) -> None:
        self._close()
        if self._process.wait():
            self._errors.seek(0)
            raise OSError(_last(self._errors.read()))


def _ffmpeg() -> tuple[str, ...]:
    return (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y")


def _codec(suffix: str, crf: float) -> tuple[str, ...]:
    if suffix == ".mp4":
        return ("-c:v", "libx264", "-crf", f"{crf:g}", *_flags(suffix))
    return ("-c:v", "libvpx-vp9", "-crf", f"{round(crf * 63 / 51)}", "-b:v", "0", "-cpu-used", "4", "-row-mt", "1")


def _flags(suffix: str) -> tuple[str, ...]:
    return ("-movflags", "+faststart") if suffix == ".mp4" else ()


def _ratio(fps: Fraction) -> str:
    return f"{fps.numerator}/{fps.denominator}"


def _last(errors: bytes) -> str:
    """What ffmpeg said of its failure; a full disk is found among its other complaints."""
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    if any(FULL in line for line in lines):
        return FULL
    return lines[-1] if lines else "ffmpeg failed"
