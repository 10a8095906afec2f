"""What each door costs: nothing heavy is imported before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "timm", "lightning", "cv2", "numpy", "scipy", "PIL")


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after `code`."""
    report = f"{code}\nimport sys\nprint('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_pixelwise_loads_nothing_heavy():
    assert loaded_by("import pixelwise; pixelwise.__version__") == set()


def test_help_loads_nothing_heavy():
    assert loaded_by("import pixelwise.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass") == set()


@pytest.mark.slow
def test_a_metric_costs_torch_alone():
    assert not loaded_by("import pixelwise.metrics") & {"torchvision", "timm", "lightning"}


@pytest.mark.slow
def test_predicting_does_not_pay_for_lightning():
    code = "import pixelwise; pixelwise.predict; pixelwise.load; pixelwise.evaluate; pixelwise.draw"
    assert not loaded_by(code) & {"torchvision", "timm", "lightning"}


def test_every_public_name_is_there():
    import pixelwise

    assert all(getattr(pixelwise, name) is not None for name in pixelwise.__all__)
    with pytest.raises(AttributeError, match="it has: "):
        _ = pixelwise.segment
