"""Raw activations from elsewhere: what they leave open, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.adopt import find_raw
from feature_manifold.pipeline.steps import index_folder
from feature_manifold.store.experiment import open_experiment
from feature_manifold.store.npy import save_npy
from feature_manifold.store.spec_layout import FiringRows, write_spec_shard

N_LATENTS = 3


def rows(*tokens: int) -> FiringRows:
    """Return rows in which each token fires latent 1."""
    token = np.array(tokens, dtype=np.int64)
    return FiringRows(
        token_indices=token,
        latent_indices=np.ones(len(token), dtype=np.int32),
        activations=np.ones(len(token), dtype=np.float16),
        token_ids=np.full(len(token), 7, dtype=np.int32),
        doc_ids=np.zeros(len(token), dtype=np.int32),
        positions=token.astype(np.int16),
    )


def raw_folder(folder: Path, *shards: FiringRows, **metadata: object) -> Path:
    folder.mkdir()
    for number, shard in enumerate(shards):
        write_spec_shard(folder / f"shard_{number:05d}.npz", shard)
    save_npy(folder / "decoder.npy", np.eye(N_LATENTS, 2, dtype=np.float32))
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def adopt(raw: Path, folder: Path) -> None:
    index_folder(raw, folder, n_workers=1, progress=SilentProgress())


@pytest.mark.parametrize(("stated", "n_tokens"), [(3, 9), (8, 9), (20, 20)])
def test_an_empty_last_shard_hides_no_token(tmp_path: Path, stated: int, n_tokens: int) -> None:
    raw = raw_folder(tmp_path / "raw", rows(0, 5), rows(8), rows(), rows(), num_tokens=stated)
    adopt(raw, tmp_path / "data")
    firings = open_experiment(tmp_path / "data").by_latent
    assert firings.latent(1)[0].tolist() == [0, 5, 8]
    assert firings.n_tokens == n_tokens


@pytest.mark.parametrize("stated", [None, "10M", -1, 1.5, 1 << 60])
def test_a_number_of_tokens_that_is_none_is_refused(tmp_path: Path, stated: object) -> None:
    raw = raw_folder(tmp_path / "raw", rows(0), num_tokens=stated)
    with pytest.raises(CorruptArtifactError, match=r"metadata\.json: num_tokens is"):
        adopt(raw, tmp_path / "data")


def test_a_token_beyond_any_corpus_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    shard = rows(0, 1)
    shard.token_indices[1] = 1 << 50
    raw = raw_folder(tmp_path / "raw", shard)
    with pytest.raises(CorruptArtifactError, match=r"shard_00000\.npz, row 1: bad token"):
        adopt(raw, tmp_path / "data")


def test_files_of_the_latents_are_committed_with_the_index(tmp_path: Path) -> None:
    adopt(raw_folder(tmp_path / "raw", rows(0, 5)), tmp_path / "data")
    latents = tmp_path / "data" / "latents"
    recorded = json.loads((latents / "manifest.json").read_bytes())["files"]
    assert {f"{latent:05d}.npz" for latent in range(N_LATENTS)} <= set(recorded)
    written = (latents / "00001.npz").stat().st_ino
    adopt(tmp_path / "raw", tmp_path / "data")
    assert (latents / "00001.npz").stat().st_ino == written


def test_another_decoder_of_as_many_latents_replaces_the_old_one(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path / "raw", rows(0, 5))
    adopt(raw, tmp_path / "data")
    save_npy(raw / "decoder.npy", np.ones((N_LATENTS, 2), dtype=np.float32))
    adopt(raw, tmp_path / "data")
    assert (open_experiment(tmp_path / "data").decoder == 1).all()


def test_a_wider_decoder_makes_a_wider_index(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path / "raw", rows(0, 5))
    adopt(raw, tmp_path / "data")
    save_npy(raw / "decoder.npy", np.ones((N_LATENTS + 2, 2), dtype=np.float32))
    adopt(raw, tmp_path / "data")
    assert open_experiment(tmp_path / "data").by_latent.n_latents == N_LATENTS + 2


@pytest.mark.parametrize("native", ["native/", ""])
def test_an_unfinished_harvest_is_refused(tmp_path: Path, native: str) -> None:
    shard = tmp_path / f"{native}raw_activations" / "shard_00000"
    shard.mkdir(parents=True)
    folder = tmp_path if native else shard.parent
    with pytest.raises(MissingArtifactError, match=r"not finished.*goes on"):
        find_raw(folder)
