"""The blocks of the documents marked `<!-- tested -->` run: on small copies of the examples, with few steps."""

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from alm_image import cli as image
from alm_motion import cli as motion
from alm_texture import canvas
from alm_texture import cli as texture
from alm_video import cli as video
from alm_video import read_film, writing
from alm_video.fit import fit
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("packages/*/README.md"))]
BLOCK = re.compile(r"<!-- tested -->\n```(\w+)\n(.*?)```", re.DOTALL)
SMALLER = 8
SIZES = ("--left", "--right", "--top", "--bottom", "--width", "--height", "--stride", "--first", "--size")
COMMANDS = {"alm-image": image.main, "alm-motion": motion.main, "alm-texture": texture.main, "alm-video": video.main}
QUICK = {
    "paint": ["--steps", "3", "--size", "64", "--view-size", "32"],
    **{
        verb: ["--steps", "4"]
        for verb in ("inpaint", "outpaint", "wide", "regions", "complete", "inbetween", "extend", "long")
    },
}
"""What a verb is told, too, where its command does not say."""


def blocks(language: str) -> list[object]:
    """The marked blocks of one language, one a parameter."""
    found = []
    for page in PAGES:
        for number, (written_in, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if written_in == language:
                found.append(pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}"))
    return found


@pytest.fixture(autouse=True)
def small_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the example pictures, an eighth of their size, the clip, and meshes and motion as they are."""
    copies = tmp_path / "examples" / "images"
    copies.mkdir(parents=True)
    for file in (ROOT / "examples" / "images").glob("*.png"):
        with Image.open(file) as image:
            image.resize([side // SMALLER for side in image.size]).save(copies / file.name)
    for kind in ("meshes", "motion"):
        shutil.copytree(ROOT / "examples" / kind, tmp_path / "examples" / kind)
    (tmp_path / "examples" / "video").mkdir()
    film = fit(read_film(ROOT / "examples" / "video" / "clip.mp4"), height=24)
    sizes = {"height": film.height, "width": film.width}
    with writing([tmp_path / "examples" / "video" / "clip.mp4"], **sizes, fps=film.fps) as clip:
        for frame in film.read(0, film.count):
            clip.add(frame)
    monkeypatch.setattr(canvas, "AUXILIARY", 256)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("text", blocks("bash"))
def test_the_commands_of_a_block_run(text: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["./run"]:
            words = words[1:]
        if not words:
            continue
        assert words[0] in COMMANDS, f"only {', '.join(COMMANDS)} are run here, not {line!r}: take the mark away"
        words = [str(int(w) // SMALLER) if before in SIZES else w for before, w in pairwise(["", *words])]
        quick = QUICK.get(words[1], [])
        extra = [
            w for flag, value in pairwise(quick) if flag.startswith("--") and flag not in words for w in (flag, value)
        ]
        assert COMMANDS[words[0]]([*words[1:], *extra]) in (0, None)
        for flag, name in pairwise(words):
            if flag in ("-o", "--output") and name.endswith(".png"):
                with Image.open(name) as picture:
                    picture.load()
            elif flag in ("-o", "--output"):
                assert Path(name).exists()


@pytest.mark.parametrize("text", blocks("python"))
def test_the_python_of_a_block_runs(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(text, "block", "exec"), {"__name__": "block"})
    assert "print(" not in text or capsys.readouterr().out


def test_the_readme_opens_with_the_two_commands() -> None:
    top = (ROOT / "README.md").read_text().split("\n\n", 2)[1]
    commands = [line for line in top.splitlines() if line.startswith("./run")]
    assert commands == [
        "./run alm-image inpaint examples/images/lake.png --mask examples/images/lake-mask.png -o filled.png",
        "./run test",
    ]


def test_every_page_of_a_verb_has_a_tested_command_and_tested_python() -> None:
    for verb in ("inpaint", "outpaint", "wide", "regions", "edit", "anagram", "evaluate", "texture", "motion", "video"):
        languages = [language for language, _ in BLOCK.findall((ROOT / "docs" / f"{verb}.md").read_text())]
        assert {"bash", "python"} <= set(languages), verb


def test_every_benchmark_is_described_and_exists() -> None:
    described = set(re.findall(r"`(\w+\.py)`", (ROOT / "benchmarks" / "README.md").read_text()))
    assert described == {file.name for file in (ROOT / "benchmarks").glob("*.py")}
