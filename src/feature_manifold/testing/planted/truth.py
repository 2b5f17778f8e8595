"""The ground truth of a planted experiment, as JSON values."""

from dataclasses import asdict
from typing import Any

import numpy as np

from feature_manifold.testing.planted.experiment import PlantedPlan
from feature_manifold.testing.planted.spec import GENERATION
from feature_manifold.testing.planted.things import Role, Thing


def ground_truth(plan: PlantedPlan) -> dict[str, Any]:
    """Return everything that was planted.

    Parameters
    ----------
    plan
        Of the experiment.

    Returns
    -------
    dict
        ``generation``, ``spec``, ``things`` (manifolds and decoys), ``always_on``, ``silent``, and
        for each latent its ``topic`` (-1 for none) and ``rate`` (expected firings per token);
        for each topic its ``topic_share`` of the corpus.
    """
    population, corpus = plan.population, plan.corpus
    topic = np.where(population.topic < corpus.n_topics, population.topic, -1)
    return {
        "generation": GENERATION,
        "spec": asdict(plan.spec),
        "things": [_thing(plan, number) for number in range(len(plan.things))],
        "always_on": population.always,
        "silent": population.silent.tolist(),
        "topic": topic.tolist(),
        "rate": population.rate.tolist(),
        "topic_share": corpus.topic_share.tolist(),
    }


def _thing(plan: PlantedPlan, number: int) -> dict[str, Any]:
    thing, spec = plan.things[number], plan.spec
    latents = plan.population.latents_of(number).tolist()
    token_ids = plan.corpus.vocabulary.words_of(number).tolist()
    texts = plan.corpus.vocabulary.texts
    return {
        "name": thing.name,
        "kind": thing.kind,
        "is_decoy": thing.is_decoy,
        "periodic": list(thing.periodic),
        "n_dims": thing.n_dims,
        "basis": ["planted", "basis", thing.name],
        "noise": thing.noise,
        "miss": spec.miss,
        "stray": spec.stray,
        "words": [
            {"token_id": token_id, "text": texts[token_id], "coordinate": coordinate}
            for token_id, coordinate in zip(token_ids, thing.coordinates.tolist(), strict=True)
        ],
        "latents": [
            _latent(thing, place, role, latents, token_ids)
            for place, role in enumerate(thing.roles)
        ],
    }


def _latent(
    thing: Thing, place: int, role: Role, latents: list[int], token_ids: list[int]
) -> dict[str, Any]:
    responds = thing.responses[place].mean(axis=1)
    return {
        "latent": latents[place],
        "role": role.role,
        "coordinate": list(role.coordinate),
        "partner": latents[role.partner] if role.partner >= 0 else None,
        "word": token_ids[role.word] if role.word >= 0 else None,
        "direction": thing.directions[place].tolist(),
        "activations": {
            str(token_ids[word]): float(responds[word])
            for word in np.flatnonzero(responds).tolist()
        },
    }
