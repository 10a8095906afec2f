from __future__ import annotations

import resource

import pytest

from pixelwise.ops.atomic_files import write_aside


def test_the_file_appears_whole_and_in_a_new_folder(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with write_aside(target) as aside:
        aside.write_text("whole")
        assert aside.suffix == ".txt"
        assert aside.parent == target.parent
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("before")

    def fail():
        with write_aside(target) as aside:
            aside.write_text("half")
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError, match="power"):
        fail()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("")

    def write():
        with write_aside(tmp_path / "file" / "a.txt") as aside:
            aside.write_text("x")

    with pytest.raises(OSError, match=r"cannot write .*a\.txt"):
        write()


def test_a_disk_that_takes_no_more(tmp_path):
    """The limit on the size of files stands for a full disk: the same call fails, half way through."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write():
        with write_aside(tmp_path / "a.bin") as aside:
            aside.write_bytes(bytes(100_000))

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=r"cannot write .*a\.bin"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
