import subprocess
import sys

import pytest
from alm_video import __version__
from alm_video.cli import main


def test_without_arguments_it_says_that_there_are_no_verbs_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert "no verbs yet" in said.err


def test_an_unknown_verb_is_refused_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["extend"])
    assert stop.value.code == 2
    assert "unrecognized" in capsys.readouterr().err


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run([sys.executable, "-m", "alm_video", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"alm-video {__version__}"
