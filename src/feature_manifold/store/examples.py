"""Picked examples of every latent, its histogram, and the tokens to find it by."""

from dataclasses import dataclass, fields
from pathlib import Path

from feature_manifold.core.arrays import Array, check_indptr
from feature_manifold.store.npy import open_npy, save_npy

GROUPS = ("top", "high", "medium", "low")
N_BINS = 30

_TYPES: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "indptr": ("<i8", (None,)),
    "start": ("<u4", (None,)),
    "stop": ("<u4", (None,)),
    "group": ("|u1", (None,)),
    "histogram_bins": ("<f4", (None, N_BINS + 1)),
    "histogram_counts": ("<i8", (None, N_BINS)),
    "token_indptr": ("<i8", (None,)),
    "token_ids": ("<i4", (None,)),
    "token_counts": ("<i8", (None,)),
}


@dataclass(frozen=True)
class ExampleSet:
    """Examples of all latents.

    Attributes
    ----------
    indptr
        int64 (n_latents + 1,), first example of each latent.
    start, stop
        uint32 (n_examples,), token rows ``[start, stop)`` of one merged context.
    group
        uint8 (n_examples,), index into GROUPS; examples stand in the order of display.
    histogram_bins
        float32 (n_latents, 31), edges; all 0 when the latent never fires.
    histogram_counts
        int64 (n_latents, 30), over all firings.
    token_indptr, token_ids, token_counts
        int64 (n_latents + 1,), int32 (n,), int64 (n,): the token ids on which each latent fires
        most, with counts, most frequent first.
    """

    indptr: Array
    start: Array
    stop: Array
    group: Array
    histogram_bins: Array
    histogram_counts: Array
    token_indptr: Array
    token_ids: Array
    token_counts: Array


def save_examples(folder: Path, examples: ExampleSet) -> None:
    """Write every array of the set into ``folder``."""
    for field in fields(examples):
        dtype, _ = _TYPES[field.name]
        save_npy(folder / f"{field.name}.npy", getattr(examples, field.name).astype(dtype))


def open_examples(folder: Path) -> ExampleSet:
    """Open the set in an ``examples/`` folder, memory-mapped.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If a file is missing, truncated or foreign.
    """
    arrays = {
        name: open_npy(folder / f"{name}.npy", dtypes=(dtype,), shape=shape)
        for name, (dtype, shape) in _TYPES.items()
    }
    check_indptr(f"{folder}/indptr.npy", arrays["indptr"], n_entries=len(arrays["start"]))
    check_indptr(
        f"{folder}/token_indptr.npy", arrays["token_indptr"], n_entries=len(arrays["token_ids"])
    )
    return ExampleSet(**arrays)
