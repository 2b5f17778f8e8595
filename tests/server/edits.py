"""Simulated users who click latents in and out of clusters."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from feature_manifold.server.binary import decode_facts

MEMBERS = (2, 12)
BINARY = {"Accept": "application/octet-stream"}


class User:
    """One user: each edit adds or removes one latent, and follows the axes of the last answer.

    Parameters
    ----------
    seed
        Of all that the user does.
    n_latents
        Latents of the experiment. Users share the first few, so that they meet in the cache.
    max_points
        Points asked for.
    """

    def __init__(self, seed: int, *, n_latents: int, max_points: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._n_latents = min(n_latents, 60)
        self._max_points = max_points

    def edits(self, n: int) -> Generator[dict[str, Any], bytes, None]:
        """Yield one question after the other; send the answer's body back into the generator."""
        members = self._rng.choice(self._n_latents, 3, replace=False).tolist()
        reference = None
        for _ in range(n):
            body = yield self._question(members, reference)
            directions = [axis["direction"] for axis in decode_facts(body)["axes"]]
            reference = {"latents": list(members), "directions": directions}
            members = self._edited(members)

    def _question(self, members: list[int], reference: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "latents": members,
            "n_components": 4,
            "max_points": self._max_points,
            "fit_on": str(self._rng.choice(["points", "type_means", "core_means"])),
            "reference": reference,
        }

    def _edited(self, members: list[int]) -> list[int]:
        least, most = MEMBERS
        adds = len(members) <= least or (len(members) < most and self._rng.random() < 0.55)
        if adds:
            others = sorted(set(range(self._n_latents)) - set(members))
            return [*members, int(self._rng.choice(others))]
        gone = self._rng.choice(members)
        return [latent for latent in members if latent != gone]


def play(user: User, n: int, ask: Callable[[dict[str, Any]], bytes]) -> list[bytes]:
    """Return the answers to a user's edits."""
    edits = user.edits(n)
    answers = [ask(next(edits))]
    while len(answers) < n:
        answers.append(ask(edits.send(answers[-1])))
    return answers
