"""Records what another library's network gives, for the tests of `load_weights`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from filling import fill, make_image, sixteen
from torch import Tensor, nn

SIZES = ((97, 131), (64, 96))
"""Heights and widths of the images shown: odd and not square on purpose."""


def record(
    name: str,
    layout: str,
    arguments: Mapping[str, Any],
    network: nn.Module,
    sizes: Sequence[tuple[int, int]] = SIZES,
    call: Callable[[nn.Module, Tensor], Any] = lambda network, image: network(image),
    unused: Sequence[str] = (),
) -> None:
    """Fill the peer by the rule in filling.py, show it images as they are, and keep sixteen numbers of each output.

    Args:
        name: of the file, `parity_<name>.json`.
        layout: as `load_weights` calls it.
        arguments: of `pixelwise.create`, for the model of ours that the weights fit.
        network: the peer.
        sizes: of the images.
        call: how to get the peer's logits, (1, C, H, W); or a list of them and of those of its auxiliary heads.
        unused: the peer's tensors that we have no use for.
    """
    fill(network)
    with torch.no_grad():
        outputs = {f"{h}x{w}": numbers(call(network, make_image(h, w))) for h, w in sizes}
    found = {
        "layout": layout,
        "create": dict(arguments),
        "outputs": outputs,
        "unused": list(unused),
        "shapes": {key: list(value.shape) for key, value in network.state_dict().items()},
    }
    path = Path(__file__).with_name(f"parity_{name}.json")
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n", "utf-8")
    print(f"{path.name}: {len(found['shapes'])} tensors, {outputs}")


def numbers(outputs: Tensor | Sequence[Tensor]) -> list[float]:
    """Sixteen of each output."""
    return [value for one in ([outputs] if isinstance(outputs, Tensor) else outputs) for value in sixteen(one)]
