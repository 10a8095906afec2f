"""How a command ends: exit codes, errors of one line, closed pipes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pixelwise.cli import main
from pixelwise.cli.exit_codes import DONE, INTERRUPTED
from pixelwise.cli.verbs import VERBS


def pixelwise(*words: str) -> str:
    return f"{sys.executable} -m pixelwise {' '.join(words)}"


def test_ctrl_c_ends_with_130(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pixelwise.cli.verbs.models.run", interrupt)
    assert main(["models"]) == INTERRUPTED == 130
    assert capsys.readouterr().err == "pixelwise: interrupted\n"


def test_debug_shows_the_traceback(capsys):
    with pytest.raises(ValueError, match="there is no recipe 'pspnet-vok'"):
        main(["recipes", "pspnet-vok", "--debug"])


def test_a_command_that_there_is_not(refused):
    assert refused() == f"pixelwise: give a command: {', '.join(VERBS)}; see pixelwise --help"
    assert refused("trian") == "pixelwise: there is no command 'trian': did you mean 'train'?; see pixelwise --help"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train --modle unet", "there is no flag --modle (did you mean --model?)"),
        ("train --epoch 3", "there is no flag --epoch (did you mean --epochs?)"),
        ("predict --model m --source a --score 0.5", "there is no flag --score (did you mean --score-threshold?)"),
        ("models unet pspnet", "one argument too many: pspnet"),
        ("evaluate --data cells", "the following arguments are required: --model"),
        ("evaluate --data cells --model", "--model: expected one argument"),
        ("predict --model m --source a --overlap 1", "--overlap is '1': it must be a share from 0 to below 1"),
        ("predict --model m --source a --overlap nan", "--overlap is 'nan': it must be a share from 0 to below 1"),
        ("predict --model m --source a --tile 0", "--tile is '0': it must be a whole number, 1 or more"),
        ("predict --model m --source a --scales 1,x", "--scales is '1,x': it must be numbers above 0 like 0.75,1,1.25"),
        ("predict --model m --source a --smooth -1", "--smooth is '-1': it must be 0 or more"),
        ("predict --model m --source a --open 0.5", "--open is '0.5': it must be a whole number, 0 or more"),
        (
            "predict --model m --source a --device cude",
            "--device is 'cude': it must be auto, cpu, cuda, cuda:N or mps",
        ),
        ("predict --model m --source a --device cuda:x", "--device is 'cuda:x': it must be"),
        ("predict --model m --source a --precision fp16", "--precision is 'fp16': it must be one of fp32, bf16 (did"),
        ("predict --model m --source a --write overlay,tables", "--write is 'tables': it must be one of overlay"),
        ("predict --model m --source a --crf deeplabv2-vok", "--crf is 'deeplabv2-vok': it must be one of deeplabv1"),
        ("predict --model m --source a --crf bi_xz=3", "--crf has the key 'bi_xz': did you mean 'bi_xy'"),
        ("predict --model m --source a --crf deeplabv2-voc,steps=x", "--crf has 'steps=x': write KEY=NUMBER"),
        (
            "predict --model m --source a --score-threshold 50",
            "--score-threshold is '50': it must be a number from 0 to 1",
        ),
        ("evaluate --model m --data d --boundary 0", "--boundary is '0': it must be a number above 0"),
        ("evaluate --model m --data d --void 0,x", "--void is '0,x': it must be mask values from 0 to 65535"),
        (
            "evaluate --model m --data d --format cocco",
            "--format is 'cocco': it must be one of nnunet, ade-full, voc, cityscapes, coco,",
        ),
        ("inspect --data d --augment lite", "--augment is 'lite': it must be one of none, light, default"),
        ("tune --model m --data d --images 3", "--images is '3': it must be a whole number, 4 or more"),
        ("models unet --size 64xx", "--size is '64xx': it must be 512 or 512x1024, height first, pixels"),
        ("models unet --arguments width", "--arguments is 'width': it must be names and values"),
        ("convert a.pth --layout smpp --model unet --out b", "--layout is 'smpp': it must be one of detectron2"),
        ("convert a.pth --layout smp --model unett --out b", "--model is 'unett': it must be one of fcn32s"),
        (
            "convert a.pth --layout smp --model unet --out b --classes vox",
            "--classes is 'vox': the classes of 'vox' are not known: did you mean 'voc'?",
        ),
        ("build-panoptic --out o", "nothing to build from: give --semantic MASKS, --instances OBJECTS or both"),
        ("build-panoptic --out o --rest nothing", "--rest is 'nothing': it must be one of background, void"),
    ],
)
def test_a_usage_error_is_one_line(words, message, refused):
    verb = words.split()[0]
    said = refused(*words.split())
    assert said.startswith(f"pixelwise {verb}: {message}")
    assert said.endswith(f"; see pixelwise {verb} --help")


def test_a_reader_that_has_enough_is_no_error():
    done = subprocess.run(
        f"{pixelwise('recipes')} | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] == str(DONE)


def test_a_reader_that_is_gone_before_the_first_line():
    """The pipe is closed for certain: `true` reads nothing, and the command starts after it has ended."""
    script = f"{{ sleep 0.2; {pixelwise('recipes')}; echo $? >&2; }} | true"
    done = subprocess.run(script, shell=True, executable="/bin/bash", capture_output=True, text=True, check=True)
    assert done.stderr == f"{DONE}\n"


def test_a_broken_pipe_of_something_else_is_an_error(monkeypatch, refused):
    def run(options):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("pixelwise.cli.verbs.recipes.run", run)
    assert "Broken pipe" in refused("recipes")


def test_python_dash_m():
    import pixelwise as library

    done = subprocess.run([sys.executable, "-m", "pixelwise", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pixelwise {library.__version__}\n"
