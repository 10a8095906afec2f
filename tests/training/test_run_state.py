"""The state of a run."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import pytest
import torch

from pixelwise.data.opening import open_dataset
from pixelwise.training.run_state import State, best_row, fingerprint


def test_a_state_comes_back(tmp_path):
    state = State(7, True, {"w": torch.ones(2)}, {}, {"state": {0: {"step": torch.tensor(7.0)}}}, [{"loss": 0.5}])
    state.save(tmp_path / "state.pt")
    again = State.load(tmp_path / "state.pt")
    assert torch.equal(again.model["w"], state.model["w"])
    assert (again.step, again.finished, again.rows) == (7, True, [{"loss": 0.5}])
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trapped",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [b"", b"not a state", pickle.dumps(Trap()), pickle.dumps({"step": 1})])
def test_what_is_no_state_is_refused_and_not_run(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"state\.pt is not the state of a run"):
        State.load(tmp_path / "state.pt")
    assert not (tmp_path / "trapped").exists()


def test_half_a_state_is_refused(tmp_path):
    State(model={"w": torch.rand(1000)}).save(tmp_path / "state.pt")
    whole = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged"):
        State.load(tmp_path / "state.pt")


def test_a_full_disk_leaves_the_old_state(tmp_path):
    """The error of a full disk comes while the new state is written."""
    State(step=1).save(tmp_path / "state.pt")
    with pytest.raises((OSError, RuntimeError)):
        State(step=2, model={"w": Unwritable()}).save(tmp_path / "state.pt")
    assert State.load(tmp_path / "state.pt").step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


class Unwritable:
    def __reduce__(self) -> str:
        raise OSError(28, "No space left on device")


def test_the_fingerprint_sees_names_and_sizes(cells):
    train, val = open_dataset(cells, split="train"), open_dataset(cells, split="val")
    assert fingerprint(train) == fingerprint(replace(train, records=train.records[::-1]))
    assert len({fingerprint(train), fingerprint(val), fingerprint(replace(train, records=train.records[1:]))}) == 3


def test_the_best_row():
    rows = [{"epoch": 1.0}, {"epoch": 2.0, "s": float("nan")}, {"epoch": 3.0, "s": 0.5}, {"epoch": 4.0, "s": 0.5}]
    assert best_row(rows, "s") is rows[2]
    assert best_row(rows[:2], "s") is None
