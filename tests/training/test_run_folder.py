"""The folder of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pixelwise.training.recipe import Recipe
from pixelwise.training.run_folder import check_recipe, claim_folder, remove_if_empty


def test_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    first = claim_folder(None, False)
    assert claim_folder(None, False) == first, "an empty folder holds no run"
    Recipe("d").to_yaml(first / "recipe.yaml")
    assert claim_folder(None, False).name == "train2"
    assert claim_folder(first, True) == first
    with pytest.raises(FileExistsError, match="holds a run already"):
        claim_folder(first, False)
    with pytest.raises(FileNotFoundError, match="holds no run to resume"):
        claim_folder(tmp_path / "nowhere", True)


def test_a_recipe_may_change_nothing_but_the_place_of_the_data(tmp_path):
    recipe = Recipe("here", lr=0.1)
    recipe.to_yaml(tmp_path / "recipe.yaml")
    check_recipe(replace(recipe, data="there"), tmp_path / "recipe.yaml")
    with pytest.raises(ValueError, match=r"epochs was 60 and is 9; lr was 0.1 and is 0.2\. .*--weights"):
        check_recipe(replace(recipe, lr=0.2, epochs=9), tmp_path / "recipe.yaml")


def test_only_an_empty_run_is_removed(tmp_path):
    for name in ("recipe.yaml", "metrics.csv", "curves.svg", "log.txt", "last.safetensors"):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / name).touch()
    remove_if_empty(tmp_path / "run")
    assert len(list((tmp_path / "run").iterdir())) == 5
    (tmp_path / "run" / "last.safetensors").unlink()
    (tmp_path / "run" / "mine.txt").touch()
    remove_if_empty(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"], "what is not ours stays"
    (tmp_path / "run" / "mine.txt").unlink()
    remove_if_empty(tmp_path / "run")
    assert not (tmp_path / "run").exists()
