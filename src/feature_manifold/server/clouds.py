"""Clouds of clusters, kept while there is room, and made from a neighbour where one is kept."""

from typing import TYPE_CHECKING, Annotated

import numpy as np
from fastapi import Depends, Request

from feature_manifold.core.errors import InputError
from feature_manifold.server.cache import BoundedCache
from feature_manifold.server.faults import AnswerTooLongError
from feature_manifold.server.library import OpenExperiment
from feature_manifold.server.work import Job

if TYPE_CHECKING:
    from feature_manifold.geometry.cloud import Cloud

CACHE_BYTES = 1 << 29
MAX_MEMBERS = 256
# Merging 10 M firings takes a second and 400 MB.
MAX_FIRINGS = 10_000_000

CloudKey = tuple[str, str, frozenset[int]]


class Clouds:
    """Makes clouds; each once for all who ask at the same time.

    Parameters
    ----------
    max_bytes
        Memory that the clouds kept may take.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._kept: BoundedCache[CloudKey, Cloud] = BoundedCache(max_bytes, size=cloud_bytes)

    @property
    def n_bytes(self) -> int:
        """Memory that the clouds kept take."""
        return self._kept.total

    def cloud(self, opened: OpenExperiment, latents: list[int], job: Job) -> "Cloud":
        """Return the cloud of a cluster, of all its points.

        A cluster that differs by one latent from one that is kept is made from that: the same to
        the bit, and faster.

        Raises
        ------
        InputError
            If a latent does not exist, or there are none or too many.
        AnswerTooLongError
            If the latents fire too often.
        """
        members = frozenset(latents)
        if not 1 <= len(members) <= MAX_MEMBERS:
            raise InputError(f"latents: {len(members)} of them, expected 1 to {MAX_MEMBERS}.")
        key = (opened.experiment.id, opened.digest, members)
        return self._kept.get(key, lambda: self._made(opened, key, job))

    def _made(self, opened: OpenExperiment, key: CloudKey, job: Job) -> "Cloud":
        # Imported here: it pulls in numba, which most routes do without.
        from feature_manifold.geometry.cloud import build_cloud

        job.check()
        members, experiment = key[2], opened.experiment
        _check_members(opened, members)
        firings, decoder = experiment.by_latent, experiment.decoder
        near = self._neighbour(key)
        if near is None:
            return build_cloud(firings, decoder, sorted(members))
        (latent,) = members ^ set(near.latents.tolist())
        if latent in members:
            return near.add(latent, firings, decoder)
        return near.remove(latent, decoder)

    def _neighbour(self, key: CloudKey) -> "Cloud | None":
        """Return a cloud that is kept and differs by one latent."""
        *state, members = key
        near = (
            cloud
            for (*other_state, other), cloud in self._kept.kept()
            if other_state == state and len(members ^ other) == 1
        )
        return next(near, None)


def cloud_bytes(cloud: "Cloud") -> int:
    """Return the memory that a cloud takes, in bytes."""
    parts = (
        *(cloud.latents, cloud.tokens, cloud.coordinates, cloud.basis),
        *(cloud.activations.data, cloud.activations.indices, cloud.activations.indptr),
    )
    return sum(part.nbytes for part in parts)


def _check_members(opened: OpenExperiment, members: frozenset[int]) -> None:
    firings = opened.experiment.by_latent
    ids = np.array(sorted(members), dtype=np.int64)
    if ids[0] < 0 or ids[-1] >= firings.n_latents:
        wrong = ids[0] if ids[0] < 0 else ids[-1]
        raise InputError(
            f"latents: there is no latent {wrong}; ids run to {firings.n_latents - 1}."
        )
    n_firings = int((firings.indptr[ids + 1] - firings.indptr[ids]).sum())
    if n_firings > MAX_FIRINGS:
        raise AnswerTooLongError(
            f"These latents fire {n_firings:,} times, and a cluster may {MAX_FIRINGS:,} times. "
            "Leave out those that fire most."
        )


def _clouds(request: Request) -> Clouds:
    clouds: Clouds = request.app.state.clouds
    return clouds


CloudsOfApp = Annotated[Clouds, Depends(_clouds)]
