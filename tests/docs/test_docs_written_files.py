"""The format page against files on disk: an experiment and the output of the scripts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from feature_manifold.core.config import make_config
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.pipeline import experiment_paths, run_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.pipeline.raw_output import harvest_to_folder
from feature_manifold.pipeline.steps import (
    export_positions,
    extract_folder,
    graph_folder,
    index_folder,
)
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.testing.tiny import TinyExperiment, tiny_gpt2
from tests.docs.pages import names_in, page, rows_of, section

FORMAT = "docs/data-format.md"
STAGE_FOLDERS = ("corpus", "raw_activations", "latents", "graph", "clusters", "examples")
EXPERIMENT = "The experiment folder"
EXPORTED = "visualizer_data/"
SCRIPTS = "Files of the documented scripts"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    return tiny_gpt2(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def paths(tiny: TinyExperiment, tmp_path_factory: pytest.TempPathFactory) -> ExperimentPaths:
    config = make_config(tiny.config(data_root=tmp_path_factory.mktemp("data")))
    run_experiment(config, Selection(), progress=SilentProgress())
    return experiment_paths(config)


@pytest.fixture(scope="module")
def scripts(tiny: TinyExperiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the documented steps, each into a folder of its own."""
    root, progress = tmp_path_factory.mktemp("scripts"), SilentProgress()
    config = make_config(tiny.config())
    harvest_to_folder(config, root / "raw", progress=progress)
    index_folder(root / "raw", root / "data", n_workers=1, progress=progress)
    graph_folder(config, root / "data", progress=progress)
    shown = root / "shown"
    extract_folder(config, root / "raw", shown, max_shards=None, tokenizer=None, progress=progress)
    export_positions(root / "data" / "graph" / "positions.npy", shown / "positions.json")
    return root


def rows_under(heading: str) -> dict[str, list[str]]:
    rows = rows_of(section(page(FORMAT), heading), "file")
    return {name: row for row in rows for name in names_in(row[0])}


def as_documented(name: str) -> str:
    """Return the name under which the page has a file: one shard and one latent stand for all."""
    name = re.sub(r"shard_\d{5}", "shard_00000", name)
    name = re.sub(r"\b\d{5}\.(json|npz)$", r"00042.\1", name)
    return re.sub(r"tokenizer/.*", "tokenizer/", name)


def written_files(paths: ExperimentPaths) -> Iterator[tuple[str, str, Path]]:
    """Yield the heading, the documented name and the path of every file of a data root."""
    for path in files_below(paths.root):
        folder, _, rest = path.relative_to(paths.root).as_posix().partition("/")
        if folder in STAGE_FOLDERS:
            yield f"{folder}/", as_documented(rest), path
        else:
            yield EXPERIMENT, folder, path
    for path in files_below(paths.visualizer):
        yield EXPORTED, as_documented(path.relative_to(paths.visualizer).as_posix()), path
    for path in paths.visualizer.parent.iterdir():
        if path.is_file():
            yield EXPORTED, path.name, path


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_file_of_an_experiment_has_a_row_and_every_row_a_file(
    paths: ExperimentPaths,
) -> None:
    written: dict[str, set[str]] = {}
    for heading, name, _ in written_files(paths):
        written.setdefault(heading, set()).add(name)
    assert written.keys() == {*(f"{folder}/" for folder in STAGE_FOLDERS), EXPERIMENT, EXPORTED}
    for heading, names in written.items():
        # Sections of their own describe these two.
        assert names - {"manifest.json", ".lock"} == rows_under(heading).keys(), heading


def test_every_array_has_the_documented_type_and_shape(paths: ExperimentPaths) -> None:
    sizes: dict[tuple[Path, str], int] = {}
    checked = 0
    for heading, name, path in written_files(paths):
        if path.suffix in {".npy", ".npz"}:
            row = rows_under(heading)[name]
            array = sp.load_npz(path) if path.suffix == ".npz" else np.load(path)
            kind = "record" if array.dtype.names else array.dtype.name
            assert kind in row[1].split(" or "), f"{FORMAT}: type of {path.name}"
            check_shape(array.shape, row[2], path, sizes)
            checked += 1
    assert checked > 20


def check_shape(
    shape: tuple[int, ...], documented: str, path: Path, sizes: dict[tuple[Path, str], int]
) -> None:
    """Compare a shape with one such as ``(n_latents + 1, 2)``; a name is one size in a folder."""
    wanted = documented.strip("()").rstrip(",").split(", ")
    assert len(shape) == len(wanted), f"{FORMAT}: axes of {path.name}"
    for have, text in zip(shape, wanted, strict=True):
        name, _, more = text.partition(" + ")
        size = have - int(more or 0)
        known = int(name) if name.isdigit() else sizes.setdefault((path.parent, name), size)
        assert size == known, f"{FORMAT}: {path.name}: {text}"


def test_what_the_graph_says_of_itself_is_documented(paths: ExperimentPaths) -> None:
    written = json.loads((paths.graph / "metadata.json").read_text(encoding="utf-8"))
    assert set(written) == set(names_in(rows_under("graph/")["metadata.json"][3]))


def names_known_to_scripts() -> set[str]:
    """Return documented files by their place in a folder that a script wrote."""
    found = {f"{folder}/{name}" for folder in STAGE_FOLDERS for name in rows_under(f"{folder}/")}
    for heading in (EXPERIMENT, EXPORTED, SCRIPTS):
        found |= rows_under(heading).keys()
    # The specification puts the labels beside its shards.
    return found | {"latent_labels.json"}


def test_every_file_of_the_scripts_is_documented(scripts: Path) -> None:
    own, known = rows_under(SCRIPTS), names_known_to_scripts()
    seen = set()
    for path in files_below(scripts):
        name = as_documented("/".join(path.relative_to(scripts).parts[1:]))
        kept, _, rest = name.partition("/")
        if f"{kept}/" in own:
            seen.add(f"{kept}/")
            name = rest
        seen.add(name)
        if path.name not in {"manifest.json", ".lock"}:
            assert name in known, f"{FORMAT}: {name}"
    assert own.keys() <= seen


def test_npz_files_of_the_scripts_hold_the_documented_arrays(scripts: Path) -> None:
    text = section(page(FORMAT), SCRIPTS)
    shard = {names_in(row[0])[0]: row[1] for row in rows_of(text, "array", "type")}
    with np.load(scripts / "raw" / "shard_00000.npz") as arrays:
        assert {name: arrays[name].dtype.name for name in arrays.files} == shard
    row = rows_under(SCRIPTS)["latents/00042.npz"]
    with np.load(scripts / "data" / "latents" / "00000.npz") as arrays:
        assert set(arrays.files) == set(names_in(row[1]))
        for name in arrays.files:
            assert re.search(rf"`{name}`[^`]*\b{arrays[name].dtype.name}\b", row[1]), name


def test_the_files_beside_the_stages_are_described() -> None:
    assert "`manifest.json`" in section(page(FORMAT), "Manifests")
    assert "`.lock`" in section(page(FORMAT), "The data root")
