"""Prints how each model's output differs from the one that is kept, then keeps the new one (`make golden`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from cases import CASES, make
from filling import fill, picture, sixteen

KEPT = Path(__file__).with_name("models.json")
SIZE = (70, 52)


def output(case: str) -> list[float]:
    """Sixteen numbers of a filled model's logits."""
    model = make(case)
    fill(model)
    with torch.no_grad():
        return sixteen(model(picture(*SIZE)).logits)


def main() -> int:
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    found = {case: output(case) for case in CASES}
    for case in [*found, *(kept.keys() - found.keys())]:
        if case not in found:
            print(f"gone     {case}")
        elif case not in kept:
            print(f"new      {case}\n         {found[case]}")
        else:
            worst = max(abs(a - b) for a, b in zip(found[case], kept[case], strict=True))
            print(f"{'same    ' if worst <= 1e-4 else 'DIFFERS '} {case}: by {worst:.2g} at most")
            if worst > 1e-4:
                print(f"         was {kept[case]}\n         is  {found[case]}")
    if "--look" not in sys.argv[1:]:
        lines = ",\n".join(f"  {json.dumps(case)}: {json.dumps(values)}" for case, values in found.items())
        KEPT.write_text(f"{{\n{lines}\n}}\n", "utf-8")
        print(f"accepted: {KEPT.name} (with --look it is only shown)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
