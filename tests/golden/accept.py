"""Prints how each model's output differs from the one that is kept, then keeps the new one (`make golden`).

python tests/golden/accept.py [--look] [NAME …]      of the names in MODELS; all when none is given
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from cases import CASES, make
from filling import fill, make_image, sixteen
from torch.utils._pytree import tree_leaves

KEPT = Path(__file__).with_name("outputs")
"""One file a model: its cases, and sixteen numbers of each."""

SIZE = (70, 52)


def output(case: str) -> list[float]:
    """Sixteen numbers of a filled model's logits, or of each of the maps of one that finds objects."""
    model = make(case)
    fill(model)
    with torch.no_grad():
        outputs = model(make_image(*SIZE))
    maps = [outputs.logits] if model.task == "semantic" else tree_leaves(outputs)
    return [value for one in maps if isinstance(one, torch.Tensor) for value in sixteen(one)]


def kept(name: str) -> dict[str, list[float]]:
    """What is kept of a model."""
    path = KEPT / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def show(found: dict[str, list[float]], before: dict[str, list[float]]) -> None:
    for case in [*found, *(before.keys() - found.keys())]:
        if case not in found:
            print(f"gone     {case}")
        elif case not in before:
            print(f"new      {case}\n         {found[case]}")
        else:
            worst = max(abs(a - b) for a, b in zip(found[case], before[case], strict=True))
            print(f"{'same    ' if worst <= 1e-4 else 'DIFFERS '} {case}: by {worst:.2g} at most")
            if worst > 1e-4:
                print(f"         was {before[case]}\n         is  {found[case]}")


def main(arguments: list[str]) -> None:
    names = [word for word in arguments if word != "--look"] or sorted({name for name, _ in CASES.values()})
    for name in names:
        found = {case: output(case) for case, (of, _) in CASES.items() if of == name}
        show(found, kept(name))
        if "--look" not in arguments:
            lines = ",\n".join(f"  {json.dumps(case)}: {json.dumps(values)}" for case, values in found.items())
            (KEPT / f"{name}.json").write_text(f"{{\n{lines}\n}}\n", "utf-8")
    if "--look" not in arguments:
        print(f"accepted: {', '.join(names)} (with --look it is only shown)")


if __name__ == "__main__":
    main(sys.argv[1:])
