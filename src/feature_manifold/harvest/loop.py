"""The harvest: shard after shard, resumable, at constant memory."""

import importlib.metadata
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.progress import Progress
from feature_manifold.harvest.batches import cut_ranges, padded_rows
from feature_manifold.harvest.device import choose_device, explained_memory, one_thread
from feature_manifold.harvest.model import ResidualModel
from feature_manifold.harvest.sae_source import DECODER_ROWS, load_fitting_sae, load_sae
from feature_manifold.harvest.shard import ShardHarvester
from feature_manifold.store.atomic import STAGING_SUFFIX, commit_file, sync_file
from feature_manifold.store.npy import NpyWriter
from feature_manifold.store.shards import (
    drop_shards,
    is_shard_current,
    open_shard,
    shard_folder,
    write_shard,
)
from feature_manifold.store.token_table import TokenTable

logger = logging.getLogger(__name__)

LIBRARIES = ("torch", "transformers", "safetensors", "numpy")


@dataclass(frozen=True)
class HarvestFacts:
    """What a finished harvest is.

    Attributes
    ----------
    model_revision
        Commit of the hub's files, or a fingerprint of the local ones.
    dtype, attention
        How the model ran.
    sae_release, sae_id, sae_sha256, sae_architecture
        Which SAE: the hash is that of its parameter file.
    d_model, n_latents
        Sizes of the SAE.
    n_shards, n_firings
        What was written.
    libraries
        Versions that computed it.
    """

    model_revision: str
    dtype: str
    attention: str
    sae_release: str
    sae_id: str
    sae_sha256: str
    sae_architecture: str
    d_model: int
    n_latents: int
    n_shards: int
    n_firings: int
    libraries: dict[str, str]


class _StoppedError(Exception):
    """Raised inside a worker when another one has failed or the user interrupts."""


def run_harvest(
    config: ExperimentConfig,
    table: TokenTable,
    raw_folder: Path,
    *,
    special_ids: Sequence[int],
    config_part: dict[str, Any],
    inputs: dict[str, str],
    progress: Progress,
) -> HarvestFacts:
    """Run model and SAE over a token table and write shards of firings.

    Each shard is committed atomically; a later call keeps those that are there, whole, and made
    from the same config and inputs, and computes the rest. The bytes do not depend on how often
    the run was interrupted, nor on ``batch_size``, ``latent_chunk`` or ``n_workers`` (on a CPU;
    a GPU's matrix products depend on batch shapes in the last bits).

    On a CPU, ``n_workers`` shards are computed at a time, each on one thread; on a GPU one. What
    is done is written meanwhile.

    Parameters
    ----------
    config
        Names model, layer, SAE, precision and sizes.
    table
        Tokens and windows.
    raw_folder
        ``raw_activations/`` under its final name. The caller writes the manifest that declares
        the harvest finished.
    special_ids
        Token ids that never fire: the corpus metadata's ``special_ids``. BOS tokens put in by the
        harvest are among them.
    config_part, inputs
        Config keys and digests that a shard depends on; recorded in, and compared with, every
        shard's manifest. Digests of model and SAE are added here.
    progress
        Told of every token row that is computed.

    Returns
    -------
    HarvestFacts
        For ``metadata.json``.

    Raises
    ------
    DeviceError, ModelError, SaeError, MissingExtraError, ConfigError
        Before anything is written, except for values that are not finite and a GPU that runs out
        of memory.
    """
    device = choose_device(config.device)
    ranges = cut_ranges(table.windows, rows=config.shard_tokens, first=0, last=table.n_windows)
    max_rows = config.batch_size * config.seq_len
    with explained_memory(config, device):
        sae, facts = load_fitting_sae(config, device)
        inputs = {**inputs, "model": facts.revision, "sae": sae.provenance.sha256}
        raw_folder.mkdir(parents=True, exist_ok=True)
        drop_shards(raw_folder, from_number=len(ranges))
        shards = _ShardFolder(raw_folder, table, ranges, config_part, inputs)
        missing = shards.missing()
        if missing:
            harvester = ShardHarvester(
                model=ResidualModel(config, device),
                sae=sae,
                table=table,
                special_ids=np.array(special_ids, dtype=np.int64),
                max_rows=max_rows,
                latent_chunk=config.latent_chunk,
            )
            logger.info("harvest: %d of %d shards to compute", len(missing), len(ranges))
            n_rows = sum(shards.n_rows(number) for number in missing)
            with progress.task("harvest", total=n_rows, unit="tokens") as task:
                _run_workers(harvester, shards, missing, config.threads, task.advance)
    seen = padded_rows(table.windows, ranges, max_rows=max_rows)
    logger.info("padding: %.1f %% of the model's input", 100 * (1 - table.n_tokens / max(seen, 1)))
    return HarvestFacts(
        model_revision=facts.revision,
        dtype=config.dtype,
        attention=config.attention,
        sae_release=sae.provenance.release,
        sae_id=sae.provenance.sae_id,
        sae_sha256=sae.provenance.sha256,
        sae_architecture=sae.provenance.architecture,
        d_model=sae.d_model,
        n_latents=sae.n_latents,
        n_shards=len(ranges),
        n_firings=shards.n_firings(),
        libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
    )


def write_decoder(config: ExperimentConfig, path: Path, *, progress: Progress) -> tuple[int, int]:
    """Copy the SAE's decoder to ``path``, float32 (n_latents, d_model), in blocks of rows.

    The file appears under its name only when it is whole.

    Returns
    -------
    (int, int)
        n_latents and d_model.

    Raises
    ------
    SaeError
        As ``load_sae`` does, or if the decoder is not finite.
    """
    sae = load_sae(config, torch.device("cpu"))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + STAGING_SUFFIX)
    with (
        NpyWriter(aside, np.float32, (sae.d_model,)) as writer,
        progress.task("decoder", total=sae.n_latents, unit="latents") as task,
    ):
        for start in range(0, sae.n_latents, DECODER_ROWS):
            rows = sae.decoder_rows(start, min(start + DECODER_ROWS, sae.n_latents))
            writer.append(rows)
            task.advance(len(rows))
    sync_file(aside)
    commit_file(aside, path)
    return sae.n_latents, sae.d_model


@dataclass(frozen=True)
class _ShardFolder:
    """The shards of one harvest: what they cover, and what their manifests must say."""

    folder: Path
    table: TokenTable
    ranges: list[tuple[int, int]]
    config_part: dict[str, Any]
    inputs: dict[str, str]

    def rows(self, number: int) -> tuple[int, int]:
        first, last = self.ranges[number]
        return int(self.table.windows[first]), int(self.table.windows[last])

    def n_rows(self, number: int) -> int:
        start, stop = self.rows(number)
        return stop - start

    def missing(self) -> list[int]:
        """Return the numbers of the shards that must be computed."""
        numbers = []
        for number in range(len(self.ranges)):
            start, stop = self.rows(number)
            if not is_shard_current(
                self.folder,
                number,
                start=start,
                stop=stop,
                config=self.config_part,
                inputs=self.inputs,
            ):
                numbers.append(number)
        return numbers

    def write(
        self,
        number: int,
        harvester: ShardHarvester,
        computing: threading.Semaphore,
        advance: Callable[[int], None],
    ) -> None:
        """Compute and commit one shard."""
        with computing:
            shard = harvester.harvest(*self.ranges[number], advance=advance)
        write_shard(self.folder, number, shard, config=self.config_part, inputs=self.inputs)

    def n_firings(self) -> int:
        folders = (shard_folder(self.folder, number) for number in range(len(self.ranges)))
        return sum(open_shard(folder).n_firings for folder in folders)


def _run_workers(
    harvester: ShardHarvester,
    shards: _ShardFolder,
    missing: list[int],
    n_workers: int,
    advance: Callable[[int], None],
) -> None:
    """Compute the missing shards on threads; the first error, or Ctrl-C, stops all of them."""
    stopping = threading.Event()
    lock = threading.Lock()

    def report(n_rows: int) -> None:
        if stopping.is_set():
            raise _StoppedError
        with lock:
            advance(n_rows)

    # One shard on the GPU at a time. One thread more than compute writes what they are done with.
    n_computing = n_workers if harvester.model.device.type == "cpu" else 1
    computing = threading.Semaphore(n_computing)
    with one_thread(), ThreadPoolExecutor(n_computing + 1) as executor:
        futures = [
            executor.submit(shards.write, number, harvester, computing, report)
            for number in missing
        ]
        try:
            wait(futures, return_when="FIRST_EXCEPTION")
        finally:
            if not all(future.done() and future.exception() is None for future in futures):
                stopping.set()
                executor.shutdown(wait=True, cancel_futures=True)
    errors = [future.exception() for future in futures if not future.cancelled()]
    for error in errors:
        if error is not None and not isinstance(error, _StoppedError):
            raise error
