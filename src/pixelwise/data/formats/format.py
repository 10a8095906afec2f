"""The interface of data formats: each module in this folder that reads a layout on disk offers these functions."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..dataset import Dataset
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid


class Reader(Protocol):
    """A source of data sets."""

    def detect(self, path: Path) -> str | None:
        """Describe the data in this format at `path`; None if there are none."""
        ...

    def available(self, path: Path) -> tuple[str, ...]:
        """List the splits that `read` accepts, train first.

        Raises:
            ValueError: there are no data in this format.
        """
        ...

    def read(
        self,
        path: Path,
        split: str | None,
        *,
        classes: GivenClasses = None,
        void: GivenVoid = None,
        colors: GivenColors = None,
    ) -> Dataset:
        """Read a split; the arguments are those of `open_dataset`.

        Raises:
            FileNotFoundError, ValueError: the data, the split or the classes are not there or do not fit.
        """
        ...


class Format(Reader, Protocol):
    """A layout of data on disk: read and written."""

    def write(self, dataset: Dataset, path: Path) -> None:
        """Write a data set below the folder `path`, so that `read` gives the same images and ground truth."""
        ...
