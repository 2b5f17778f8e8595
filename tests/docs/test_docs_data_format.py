"""Every file of the data root is in the format page, with the types that are written."""

import ast
import json
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from feature_manifold.examples.pages import ActivationStats, Example, LatentPage
from feature_manifold.export.payloads import (
    edges_payload,
    experiment_entry,
    experiments_payload,
    index_payload,
    positions_payload,
    search_index_payload,
)
from feature_manifold.index.labels import Labels
from feature_manifold.pipeline.adopt import RawFolder, adopting_stages
from feature_manifold.pipeline.import_made import graph_stage, visualizer_stage
from feature_manifold.pipeline.import_source import ImportSource
from feature_manifold.pipeline.labels import latent_labels_payload
from feature_manifold.pipeline.pipeline import STAGES
from feature_manifold.store.examples import GROUPS, N_BINS, ExampleSet
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.manifest import OWN_CHECKSUM, FileRecord, Manifest
from feature_manifold.store.shards import SHARD_FORMAT, SHARD_VERSION, Shard, write_shard
from feature_manifold.store.spec_layout import FiringRows
from feature_manifold.store.statistics import STATISTICS_DTYPE
from tests.docs.pages import ROOT, names_in, page, rows_of, section, spans

FORMAT = "docs/data-format.md"
SRC = ROOT / "src" / "feature_manifold"
FILE_NAME = re.compile(r"[\w./-]+\.(npy|npz|json|safetensors)")


def text_of(heading: str) -> str:
    return section(page(FORMAT), heading)


def documented_files() -> set[str]:
    cells = [row[0] for row in rows_of(page(FORMAT), "file")]
    return {Path(name).name for cell in cells for name in names_in(cell)}


def literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def file_names() -> set[str]:
    """Find the names of files that are spelled out in the rooms that write artifacts."""
    rooms = [SRC / "store", SRC / "pipeline", SRC / "export"]
    found = {text for room in rooms for path in room.glob("*.py") for text in literals(path)}
    return {Path(text).name for text in found if FILE_NAME.fullmatch(text)}


def test_every_file_that_the_code_names_is_in_a_table() -> None:
    names = file_names()
    assert {"decoder.npy", "positions_coactivation.npy", "search_index.json"} <= names
    missing = names - documented_files() - {"manifest.json"}
    assert not missing, f"{FORMAT}: {', '.join(sorted(missing))} is missing"


def test_every_folder_of_an_experiment_has_a_section() -> None:
    paths = ExperimentPaths(Path("root"), Path("visualizer_data/id"))
    folders = {stage.folder(paths).name for stage in STAGES} - {"id"} | {"visualizer_data"}
    assert folders <= {
        line[3:].rstrip("/") for line in page(FORMAT).splitlines() if line.startswith("## ")
    }


def rows_by_name(heading: str, first: str = "file") -> dict[str, list[str]]:
    rows = rows_of(text_of(heading), first)
    return {name: row for row in rows for name in names_in(row[0])}


def check_arrays(folder: Path, heading: str, prefix: str = "") -> None:
    """Compare type and number of axes of every array in a folder with its row."""
    rows = rows_by_name(heading)
    written = sorted(folder.glob("*.npy"))
    assert written
    for path in written:
        array = np.load(path)
        row = rows[prefix + path.name]
        assert array.dtype.name in row[1].split(" or "), f"{FORMAT}: type of {path.name}"
        shape = row[2].strip("()").rstrip(",").split(", ")
        assert array.ndim == len(shape), f"{FORMAT}: shape of {path.name}"
        for have, documented in zip(array.shape, shape, strict=True):
            assert not documented.isdigit() or have == int(documented), f"{FORMAT}: {path.name}"


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_shards_are_written_as_documented(tmp_path: Path, dtype: type) -> None:
    shard = Shard(
        np.array([0, 1], dtype=np.int64),
        np.zeros(1, dtype=np.uint32),
        np.ones(1, dtype=dtype),
        0,
        1,
    )
    write_shard(tmp_path, 0, shard, config={}, inputs={})
    check_arrays(tmp_path / "shard_00000", "raw_activations/", prefix="shard_00000/")
    manifest = json.loads((tmp_path / "shard_00000" / "manifest.json").read_text())
    assert set(manifest["facts"]) <= set(re.findall(r'"(\w+)"', text_of("raw_activations/")))


@cache
def example_set() -> ExampleSet:
    indptr = np.array([0, 1], dtype=np.int64)
    row = np.zeros(1, dtype=np.uint32)
    return ExampleSet(
        indptr=indptr,
        start=row,
        stop=row + 1,
        group=row,
        histogram_bins=np.zeros((1, N_BINS + 1)),
        histogram_counts=np.zeros((1, N_BINS), dtype=np.int64),
        token_indptr=indptr,
        token_ids=np.zeros(1, dtype=np.int32),
        token_counts=np.ones(1, dtype=np.int64),
    )


def test_groups_of_examples_have_the_documented_numbers() -> None:
    row = rows_by_name("examples/")["group.npy"]
    assert row[3] == ", ".join(f"{number} {name}" for number, name in enumerate(GROUPS)) + "."


def test_statistics_have_the_documented_fields() -> None:
    rows = rows_of(text_of("latents/"), "field", "type")
    documented = {name: row[1] for row in rows for name in names_in(row[0])}
    assert documented == {
        name: STATISTICS_DTYPE[name].name for name in STATISTICS_DTYPE.names or ()
    }


def test_specified_shards_have_the_documented_arrays() -> None:
    rows = rows_of(text_of("Files of the documented scripts"), "array", "type")
    documented = [name for row in rows for name in names_in(row[0])]
    assert documented == [field.name for field in fields(FiringRows) if field.name != "name"]


def keys_documented(heading: str) -> set[str]:
    return {name for row in rows_of(text_of(heading), "key") for name in names_in(row[0])}


def test_manifests_have_the_documented_keys() -> None:
    names = {field.name for field in fields(Manifest)} | {OWN_CHECKSUM}
    assert keys_documented("Manifests") == names
    files = next(row for row in rows_of(text_of("Manifests"), "key") if row[0] == "`files`")
    assert {field.name for field in fields(FileRecord)} <= set(names_in(files[2]))


def test_every_format_has_its_version() -> None:
    raw = RawFolder(Path("raw"), None, Path("raw"))
    folder = Path("folder")
    source = ImportSource(folder, raw, None, None, None, None, folder, folder, {}, ())
    importing = (graph_stage(source), visualizer_stage(source))
    versions = {s.name: s.version for s in (*STAGES, *adopting_stages(raw), *importing)}
    versions[SHARD_FORMAT] = SHARD_VERSION
    rows = rows_of(text_of("Versions"), "format", "folder", "version")
    assert {names_in(row[0])[0]: int(row[2]) for row in rows} == versions


def class_fields(path: str, name: str) -> set[str]:
    """Read the fields of a dataclass without importing its module, which needs torch."""
    for node in ast.parse((SRC / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {
                part.target.id
                for part in node.body
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
            }
    raise AssertionError(f"{path} has no class {name}")


def returned_keys(path: str, function: str) -> set[str]:
    """Read the keys of the dict displays in a function."""
    for node in ast.walk(ast.parse((SRC / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return {
                key.value
                for part in ast.walk(node)
                if isinstance(part, ast.Dict)
                for key in part.keys
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
    raise AssertionError(f"{path} has no function {function}")


def test_metadata_of_the_corpus_has_the_documented_keys() -> None:
    written = returned_keys("corpus/table.py", "_describe")
    written |= class_fields("corpus/table.py", "CorpusFacts")
    assert keys_documented("corpus/") == written


def test_metadata_of_the_experiment_has_the_documented_keys() -> None:
    written = returned_keys("pipeline/harvest.py", "_identity")
    written |= class_fields("harvest/loop.py", "HarvestFacts")
    assert keys_documented("The experiment folder") == written


def test_labels_have_the_documented_keys() -> None:
    one = np.ones(1, dtype=np.int64)
    payload = latent_labels_payload(Labels(one * 0, one, one), ["a"])
    assert keys_documented("raw_activations/") == set(payload["0"])


def test_exported_pages_have_the_documented_keys() -> None:
    example = Example(1.0, "a", ["a"], [1.0], [0], 1)
    stats = ActivationStats(1, 1, 1, 1, 1, 1)
    latent = LatentPage(0, "a", 1, stats, [], [], {group: [example] for group in GROUPS})
    written = latent.to_json()
    shown = written["examples"]["top"][0]
    assert keys_documented("visualizer_data/") == written.keys() | shown.keys()
    named = set(spans(text_of("visualizer_data/")))
    for part in ("activation_stats", "histogram", "examples"):
        assert set(written[part]) <= named


def test_exported_files_have_the_documented_keys() -> None:
    statistics = np.zeros(1, dtype=STATISTICS_DTYPE)
    index = index_payload(
        statistics,
        example_set(),
        ["a"],
        num_tokens=1,
        top_k=1,
        sample_percentiles=True,
        context_size=1,
    )
    edges = edges_payload(
        sp.csr_matrix(np.array([[0, 1], [1, 0]], dtype=np.float32)),
        max_edges_per_node=1,
        threshold=0.0,
        source_file="decoder_similarity.npz",
    )
    metadata = dict.fromkeys(keys_documented("The experiment folder"))
    entry = experiment_entry("id", metadata, has_visualizer=True)
    listed = experiments_payload([entry], updated_at="")
    written = {
        "index.json": index.keys() | index["latents"]["0"].keys(),
        "positions.json": positions_payload(np.zeros((1, 2))).keys(),
        "edges.json": edges.keys() | edges["edges"][0].keys(),
        "search_index.json": search_index_payload(example_set(), ["a"]).keys(),
        "experiments.json": listed.keys() | entry.keys(),
    }
    rows = rows_by_name("visualizer_data/")
    for name, keys in written.items():
        documented = set(names_in(rows[name][1]))
        assert keys <= documented, f"{FORMAT}: {name}: {', '.join(sorted(keys - documented))}"


def test_a_file_without_a_row_would_be_seen() -> None:
    assert "positions.npy" in documented_files()
    assert "nowhere.npy" not in documented_files()
