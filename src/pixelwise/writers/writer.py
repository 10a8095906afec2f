"""The interface of the writers, and the two kinds of formats: a file for each image, and one file for all images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Protocol, Self

from ..classes import Classes
from ..images.reading import ImageSource
from ..segmentation import Segmentation


class Writer(Protocol):
    """One format of result files: takes the results of images one at a time.

    Attributes:
        name: the name of the format, such as "class-map".
        suffix: the suffix of its files.
        recognized: the suffixes that stand for this format when no format is given.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    recognized: ClassVar[tuple[str, ...]]

    @classmethod
    def for_file(cls, path: Path, classes: Classes) -> Self:
        """Make a writer of a single result.

        Args:
            path: the file.
            classes: the classes of the result.

        Raises:
            ValueError: if the format cannot hold so many classes.
        """
        ...

    @classmethod
    def for_folder(cls, folder: Path, classes: Classes) -> Self:
        """Make a writer of the results of any number of images.

        Args:
            folder: the folder of all formats; files are named after the format and the image.
            classes: the classes of all results.

        Raises:
            ValueError: if the format cannot hold so many classes.
        """
        ...

    def add(self, name: str, result: Segmentation, image: ImageSource | None = None) -> None:
        """Add the result of an image.

        Args:
            name: the file name of the image, relative to the folder of all images, such as "street/a.jpg".
            result: the prediction.
            image: the image itself; only overlays need it.

        Raises:
            OSError: names the file that cannot be written.
            ValueError: if the format cannot hold the result.
        """
        ...

    def close(self) -> None:
        """Write what can be written only after the last image.

        Raises:
            OSError: names the file that cannot be written.
        """
        ...

    def notes(self) -> list[str]:
        """Return sentences for people about what the format could not hold exactly."""
        ...


class FilePerImage(ABC):
    """Base class of the formats that have a file for each image, written at once.

    Args:
        folder: the folder of these files.
        file: the file of the only image; by default it is named after the image.
        classes: the classes of all results.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    recognized: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: Path, file: Path | None, classes: Classes) -> None:
        self.folder, self.file, self.classes = folder, file, classes

    @classmethod
    def for_file(cls, path: Path, classes: Classes) -> Self:
        return cls(path.parent, path, classes)

    @classmethod
    def for_folder(cls, folder: Path, classes: Classes) -> Self:
        return cls(folder / cls.name, None, classes)

    def add(self, name: str, result: Segmentation, image: ImageSource | None = None) -> None:
        self.write(self.file or self.path_of(name, result), result, image)

    def path_of(self, name: str, result: Segmentation) -> Path:
        """Return the file for the result of the image of this name."""
        return self.folder / Path(name).with_suffix(self.suffix)

    @abstractmethod
    def write(self, path: Path, result: Segmentation, image: ImageSource | None) -> None:
        """Write the file of one image."""

    def close(self) -> None:
        return None

    def notes(self) -> list[str]:
        return []


class SharedFile(ABC):
    """Base class of the formats that hold the results of all images in one file, written at the end.

    Args:
        path: that file.
        classes: the classes of all results.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    recognized: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __init__(self, path: Path, classes: Classes) -> None: ...

    @classmethod
    def for_file(cls, path: Path, classes: Classes) -> Self:
        return cls(path, classes)

    @classmethod
    def for_folder(cls, folder: Path, classes: Classes) -> Self:
        return cls(folder / f"{cls.name}{cls.suffix}", classes)

    @abstractmethod
    def add(self, name: str, result: Segmentation, image: ImageSource | None = None) -> None:
        """Keep the result of an image."""

    @abstractmethod
    def close(self) -> None:
        """Write the file."""

    def notes(self) -> list[str]:
        return []
