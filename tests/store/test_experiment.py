import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import feature_manifold as fm
from feature_manifold.core.config import make_config
from feature_manifold.core.errors import CorruptArtifactError, InputError, MissingArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.pipeline import experiment_paths, run_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.manifest import make_manifest, read_manifest, write_manifest
from feature_manifold.testing.tiny import tiny_gpt2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny = tiny_gpt2(tmp_path_factory.mktemp("tiny"))
    config = make_config(tiny.config(data_root=tmp_path_factory.mktemp("data"), skip_jaccard=True))
    run_experiment(config, Selection(), progress=SilentProgress())
    return experiment_paths(config).root


def test_an_experiment_opens_by_its_folder(folder: Path) -> None:
    experiment = fm.open(folder)
    latent = int(np.argmax(experiment.statistics["count"]))
    tokens, activations = experiment.latent(latent)
    assert len(tokens) == len(activations) == experiment.statistics["count"][latent]
    ids, weights = experiment.neighbours(latent)
    assert (np.diff(weights) <= 0).all()
    rows = experiment.decoder[[latent, *ids]].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.allclose(weights, rows[1:] @ rows[0], atol=1e-6)


def test_what_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    experiment = fm.open(folder)
    assert experiment.edge_kinds() == ["cosine", "coactivation"]
    with pytest.raises(MissingArtifactError, match="jaccard_similarity.npz"):
        experiment.neighbours(0, "jaccard")
    with pytest.raises(InputError, match="not one of cosine"):
        experiment.neighbours(0, "phi")
    with pytest.raises(InputError, match="No latent 256"):
        experiment.latent(256)
    with pytest.raises(MissingArtifactError, match="fmi list"):
        fm.open(tmp_path)


def test_a_folder_of_another_version_is_refused(folder: Path) -> None:
    manifest = folder / "latents" / "manifest.json"
    content = manifest.read_bytes()
    found = read_manifest(manifest.parent)
    assert found is not None
    write_manifest(manifest.parent, replace(found, format_version=99))
    try:
        with pytest.raises(CorruptArtifactError, match="format version 99, expected 1"):
            _ = fm.open(folder).by_latent
    finally:
        manifest.write_bytes(content)


def test_examples_of_the_first_version_are_shown_but_not_searched(
    folder: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(folder, tmp_path / "copy")
    assert fm.open(root).type_rows.n_types
    found = read_manifest(root / "examples")
    assert found is not None
    for name in ("type_indptr.npy", "type_tokens.npy"):
        (root / "examples" / name).unlink()
    write_manifest(root / "examples", replace(found, format_version=1))
    experiment = fm.open(root)
    assert len(experiment.examples.start)
    with pytest.raises(MissingArtifactError, match="earlier version.*--only examples"):
        _ = experiment.type_rows


def test_an_unfinished_harvest_hides_the_decoder(folder: Path) -> None:
    manifest = folder / "raw_activations" / "manifest.json"
    content = manifest.read_bytes()
    manifest.unlink()
    try:
        with pytest.raises(MissingArtifactError, match="no finished raw_activations"):
            _ = fm.open(folder).decoder
    finally:
        manifest.write_bytes(content)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_firings_of_another_corpus_are_refused(copy: Path) -> None:
    corpus = ExperimentPaths(copy, copy / "visualizer").corpus
    metadata = corpus / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"text_key": "text"', '"text_key": "body"'))
    stamp(corpus)
    with pytest.raises(CorruptArtifactError, match="latents/ was made from another corpus/"):
        _ = fm.open(copy).by_latent


def test_firings_of_another_harvest_are_refused(copy: Path) -> None:
    decoder = np.load(copy / "decoder.npy")
    np.save(copy / "decoder.npy", decoder[::-1])
    stamp(copy / "raw_activations")
    experiment = fm.open(copy)
    with pytest.raises(CorruptArtifactError, match="made from another raw_activations/.*fmi run"):
        _ = experiment.statistics
    assert np.array_equal(experiment.decoder, decoder[::-1])


def test_a_graph_of_another_index_does_not_exist(copy: Path) -> None:
    statistics = np.load(copy / "latents" / "statistics.npy")
    statistics["max"] += 1
    np.save(copy / "latents" / "statistics.npy", statistics)
    stamp(copy / "latents")
    experiment = fm.open(copy)
    assert experiment.layouts() == experiment.edge_kinds() == []
    for kind in ("positions", "edges"):
        with pytest.raises(CorruptArtifactError, match="graph/ was made from another latents/"):
            getattr(experiment, kind)("cosine")


def stamp(folder: Path) -> None:
    """Write a folder's manifest anew, with the checksums of what is there now."""
    old = read_manifest(folder)
    assert old is not None
    manifest = make_manifest(
        folder,
        format=old.format,
        format_version=old.format_version,
        config=old.config,
        inputs=old.inputs,
        seed=old.seed,
        facts=old.facts,
        outside=tuple(name for name in old.files if name.startswith("..")),
    )
    write_manifest(folder, manifest)
