"""The specification's files of single latents."""

from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.store import firing_blocks
from feature_manifold.store.latent_files import write_latent_files
from tests import reference


@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_every_latent_has_a_file_that_plain_numpy_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_workers: int, dtype: type[np.floating]
) -> None:
    monkeypatch.setattr(firing_blocks, "BLOCK_FIRINGS", 20)
    monkeypatch.setattr(firing_blocks, "LATENT_FIRINGS", 1)
    random = np.random.default_rng(0)
    dense = np.where(random.random((50, 9)) < 0.3, random.random((50, 9)) + 1, 0).astype(dtype)
    dense[:, 4] = 0
    firings = reference.by_latent_of(dense)
    write_latent_files(tmp_path, firings, n_workers=n_workers, progress=SilentProgress())
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{n:05d}.npz" for n in range(9)]
    for latent in range(9):
        tokens, activations = firings.latent(latent)
        with np.load(tmp_path / f"{latent:05d}.npz") as found:
            assert found.files == ["token_indices", "activations"]
            assert (found["token_indices"].dtype, found["activations"].dtype) == (np.int64, dtype)
            np.testing.assert_array_equal(found["token_indices"], tokens)
            np.testing.assert_array_equal(found["activations"], activations)


def test_a_bad_activation_is_not_passed_on(tmp_path: Path) -> None:
    firings = reference.by_latent_of(np.ones((3, 2), dtype=np.float16))
    firings.activations[4] = np.nan
    with pytest.raises(CorruptArtifactError, match=r"row 4 \(latent 1\)"):
        write_latent_files(tmp_path, firings, progress=SilentProgress())
