"""Messages of a run."""

from __future__ import annotations

from pixelwise.training.callback.messages import divergence_message, epoch_line

ROW = {"epoch": 3.0, "step": 15.0, "loss": 0.25, "seconds": 12.34, "waiting": 0.1}


def test_a_line_about_an_epoch():
    assert epoch_line(ROW, "mIoU", False) == "epoch 3: loss 0.2500, 12.3 s, 10% of it waiting for images"
    scored = {**ROW, "mIoU": 0.5}
    assert epoch_line(scored, "mIoU", False).startswith("epoch 3: loss 0.2500, mIoU 0.5000, 12.3 s")
    assert "mIoU 0.5000 (best)" in epoch_line(scored, "mIoU", True)


def test_diverged_numbers_are_explained(tmp_path):
    text = divergence_message(tmp_path, "the loss of step 3 is nan", ("a.png",))
    assert text.startswith("the loss of step 3 is nan (images: a.png). Try a lower --lr")
    (tmp_path / "last.safetensors").touch()
    assert f"last good weights are in {tmp_path / 'last.safetensors'}" in divergence_message(tmp_path, "the loss")
