"""A model filled by a fixed rule gives the sixteen numbers that were once accepted (`make golden` accepts new ones)."""

from __future__ import annotations

import pytest
from accept import KEPT, kept, output
from cases import CASES


@pytest.mark.parametrize("case", CASES)
def test_the_output_is_the_one_accepted(case):
    accepted = kept(CASES[case][0])
    assert case in accepted, f"{case} is new: look at its output and accept it with `make golden`"
    assert output(case) == pytest.approx(accepted[case], abs=1e-4)


def test_no_output_is_kept_for_a_model_that_is_gone():
    assert {case for path in KEPT.glob("*.json") for case in kept(path.stem)} == CASES.keys()
