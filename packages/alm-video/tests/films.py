"""Small test videos, made by ffmpeg from known frames."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
FFMPEG = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y")
EXACT = ("-c:v", "libx264rgb", "-qp", "0", "-preset", "ultrafast")
"""H.264 of RGB without loss: what is read back is what was written."""


def ffmpeg(*args: str, data: bytes = b"") -> None:
    done = subprocess.run([*FFMPEG, *args], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def numbered(count: int, height: int = 24, width: int = 32) -> Frames:
    """Frames that tell their number: a grey of 7 n + 3, and a picture that tells up from down and left from right."""
    frames = np.empty((count, height, width, 3), np.uint8)
    frames[:] = (np.arange(count) * 7 % 250 + 3).astype(np.uint8)[:, None, None, None]
    frames[:, : height // 3, : width // 4, 0] = 240
    frames[:, -2:, :, 1] = 15
    return frames


def natural(count: int, height: int = 96, width: int = 160) -> Frames:
    """Smooth moving light and a little grain, as a camera gives."""
    y, x = np.mgrid[:height, :width] / 16
    noise = np.random.default_rng(5).normal(0, 2, (height, width, 1))
    frames = []
    for n in range(count):
        waves = [np.sin(x + n / 9 + c) * np.cos(y * (1 + c / 5) - n / 14) for c in range(3)]
        frames.append(128 + 90 * np.stack(waves, -1) + noise)
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


def made(path: Path, frames: Frames, *args: str, fps: str = "25", before: tuple[str, ...] = ()) -> Path:
    """A video of the frames; without loss, where `args` name no codec."""
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", fps, "-i", "-")
    codec = () if "-c:v" in args or "-c" in args or path.suffix == ".gif" else EXACT
    ffmpeg(*before, *source, *codec, *args, str(path), data=np.ascontiguousarray(frames).tobytes())
    return path


def tone(path: Path, seconds: float, *, begins: float = 0.0) -> Path:
    """A sound of so many seconds: silence, then from `begins` on a tone."""
    wave = f"aevalsrc=exprs=0.6*sin(2*PI*700*t)*gte(t\\,{begins}):s=48000:d={seconds}"
    ffmpeg("-f", "lavfi", "-i", wave, "-c:a", "aac" if path.suffix in (".m4a", ".mp4") else "pcm_s16le", str(path))
    return path


def joined(path: Path, picture: Path, sound: Path) -> Path:
    """A film of the picture of one file and the sound of another."""
    ffmpeg("-i", str(picture), "-i", str(sound), "-map", "0:v", "-map", "1:a", "-c", "copy", str(path))
    return path
