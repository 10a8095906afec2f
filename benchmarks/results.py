"""What every benchmark writes: one file of lines, headed by the machine and the versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


def machine(*packages: str) -> str:
    """The processor, its number of cores, what matters of its features, and the versions of packages."""
    told = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    named = dict(reversed([line.split(":", 1) for line in told if ":" in line]))
    facts = {key.strip(): value.strip() for key, value in named.items()}
    name = facts.get("model name") or platform.processor()
    known = facts.get("flags", "").split()
    features = [word for word in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if word in known]
    return f"{name}, {os.cpu_count()} cores ({', '.join(features)}); " + ", ".join(_version(p) for p in packages)


def write(name: str, lines: Iterable[str]) -> None:
    """Print the lines and keep them as results/NAME.txt."""
    text = "\n".join(lines) + "\n"
    print(text)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
