"""Named random generators: one seed in the config, independent streams by name."""

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """Make the generator of one purpose.

    Streams with different names are independent, so that adding a draw in one place does not
    change the numbers drawn in another.

    Parameters
    ----------
    seed
        The config's seed, at least 0.
    names
        What the numbers are for, for instance ``("examples", "high", "17")``.

    Returns
    -------
    numpy.random.Generator
        PCG64, seeded by the seed and a SHA-256 of the names.
    """
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
