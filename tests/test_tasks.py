"""docs/tasks.md holds what it says: every cell of its tables is a command, and is run here.

A ✓ ends with status 0 and its output; a – is refused in one line with status 2, and writes nothing. Models are tiny
ones with random weights in the real formats, made in folders of the names that the page gives; `QUICK` are flags that
only make the commands quick.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import task_models

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tasks.md"
QUICK = {
    "alm-image": "--steps 2",
    "alm-motion": "--steps 2 --no-pin-feet",
    "alm-texture": "--steps 2 --view-size 32 --size 64 --solver splat",
    "alm-video": "--steps 2",
}
FEW = {"smcdiff": ["--particles", "3"]}
LOADERS = ("alm_image.verbs.common", "alm_motion.verbs.common", "alm_texture.verbs.paint", "alm_video.verbs.common")
TASKS = 11


@dataclass(frozen=True)
class Cell:
    """One cell: the task's number and title, the command that it stands for, and whether it is to run."""

    task: str
    model: str
    method: str
    command: str
    runs: bool

    @property
    def name(self) -> str:
        return re.sub(r"[^\w./-]+", "-", f"{self.task} {self.model} {self.method}")


def cells() -> Iterator[Cell]:
    """All of the page, in order."""
    task, command, methods = "", "", []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            task, command, methods = line[3:].strip(), "", []
        elif found := re.match(r"Command: `(.+)`", line):
            command = found[1]
        elif line.startswith("| MODEL |"):
            methods = [cell.strip(" `") for cell in line.strip("| ").split("|")[1:]]
        elif line.startswith("| `") and methods:
            model, *marks = (cell.strip(" `") for cell in line.strip("| ").split("|"))
            assert len(marks) == len(methods), line
            assert {*marks} <= {"✓", "–"}, line
            for method, mark in zip(methods, marks, strict=True):
                said = command.replace("MODEL", model).replace("METHOD", method)
                yield Cell(task, model, method, said, mark == "✓")


CELLS = list(cells())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples' names and, once asked for, the models'."""
    folder = tmp_path_factory.mktemp("tasks")
    task_models.inputs(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Each model is loaded once; a FLUX works on small pictures, and a texture that suits small views."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alm_texture.canvas.AUXILIARY", 256)
        for name in LOADERS:
            module = import_module(name)
            patch.setattr(module, "load_prior", _once(module.load_prior))
        yield


def _once(load: Callable[..., object]) -> Callable[..., object]:
    @cache
    def known(model: object, *options: object) -> object:
        prior = load(model, **dict(options))  # type: ignore[call-overload]
        return replace(prior, size=64) if "flux" in str(model) else prior  # type: ignore[type-var]

    def loader(model: object, **options: object) -> object:
        if any(isinstance(value, list) for value in options.values()):
            return load(model, **options)
        return known(model, *sorted(options.items()))

    return loader


def test_the_page_has_the_tasks_of_both_papers_with_every_method_that_applies() -> None:
    assert len({cell.task for cell in CELLS}) == TASKS
    assert len({(cell.task, cell.model, cell.method) for cell in CELLS}) == len(CELLS)
    assert {cell.runs for cell in CELLS} == {True, False}


def test_every_method_by_name_is_in_a_cell_that_runs() -> None:
    from alm_core.choices import FUSIONS, METHODS

    assert {cell.method for cell in CELLS if cell.runs} >= {*METHODS, *FUSIONS}


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=[cell.name for cell in CELLS])
def test_a_cell_is_a_command_that_runs_or_is_refused(
    cell: Cell, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *words = shlex.split(cell.command)
    task_models.need(place, words)
    monkeypatch.chdir(place)
    before = set(place.iterdir())
    status, err = _run(program, [*words, *QUICK[program].split(), *FEW.get(cell.method, [])], capsys)
    if flat := re.search(r"goes from ([\d.]+) to ([\d.]+)", err):  # as attention of random weights does
        between = str((float(flat[1]) + float(flat[2])) / 2)
        status, err = _run(program, [*words, *QUICK[program].split(), "--threshold", between], capsys)
    made = set(place.iterdir()) - before
    for path in made:
        path.unlink()
    assert status == (0 if cell.runs else 2), err
    assert bool(made) == cell.runs
    assert cell.runs or err.count("\n") == 1, err


def _run(program: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    try:
        status = import_module(program.replace("-", "_") + ".cli").main(words)
    except SystemExit as stop:
        status = stop.code
    return status, capsys.readouterr().err
