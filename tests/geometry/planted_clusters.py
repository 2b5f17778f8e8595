"""Clusters of a planted experiment, with what is true of them."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array
from feature_manifold.geometry.cloud import Cloud, build_cloud
from feature_manifold.geometry.clusters.core import core_tokens, count_types
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.testing.planted.experiment import PlantedExperiment, plant
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.things import Thing


@dataclass(frozen=True)
class PlantedClusters:
    """Clusters of one planted experiment."""

    experiment: PlantedExperiment

    @cached_property
    def by_latent(self) -> FiringsByLatent:
        shard = self.experiment.firings
        return FiringsByLatent(
            shard.indptr, shard.tokens, shard.activations, len(self.experiment.table.token_id)
        )

    @cached_property
    def by_token(self) -> FiringsByToken:
        shard = self.by_latent
        by_latent = sp.csr_matrix(
            (shard.activations.astype(np.float32), shard.tokens.astype(np.int64), shard.indptr),
            shape=(shard.n_latents, shard.n_tokens),
        )
        turned = by_latent.tocsc()
        return FiringsByToken(
            turned.indptr.astype(np.int64),
            turned.indices.astype(np.uint32),
            turned.data.astype(np.float32),
        )

    def thing(self, name: str) -> tuple[Thing, Array]:
        """Return a planted thing and its words' token ids."""
        plan = self.experiment.plan
        number = [thing.name for thing in plan.things].index(name)
        return plan.things[number], plan.corpus.vocabulary.words_of(number)

    def latents(self, name: str) -> Array:
        """Return the latents of a thing, in the order of its roles."""
        plan = self.experiment.plan
        number = [thing.name for thing in plan.things].index(name)
        return plan.population.latents_of(number)

    def others(self) -> Array:
        """Return latents of no thing that fire fifty times or more."""
        fires = np.diff(self.by_latent.indptr)
        return np.flatnonzero((self.experiment.plan.population.thing < 0) & (fires >= 50))

    def cluster(self, latents: Array) -> tuple[Cloud, Array, Array]:
        """Return the cloud of some latents, the type of each point, and the core types."""
        cloud = build_cloud(self.by_latent, self.experiment.decoder, latents)
        token_id = self.experiment.table.token_id.astype(np.int64)
        ids = token_id[cloud.tokens]
        mass = np.asarray(cloud.activations.sum(axis=1)).ravel()
        return cloud, ids, core_tokens(mass, ids, occurrences=count_types(token_id))


@cache
def planted_clusters(seed: int) -> PlantedClusters:
    spec = PlantedSpec(
        n_tokens=40_000, n_latents=512, d_model=64, l0=12, seed=seed, concept_share=0.4
    )
    return PlantedClusters(plant(spec))
