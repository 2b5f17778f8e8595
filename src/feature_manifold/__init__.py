"""See the geometry of a language model's features.

``import feature_manifold as fm``; ``fm.open("data/experiments/ID")`` gives an ``Experiment`` with
its latents, neighbours, clouds, manifolds, searches, concepts and figures: see docs/python.md.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feature_manifold.notebook.experiment import Experiment

__version__ = "0.1.0"


def open(path: str | os.PathLike[str]) -> "Experiment":
    """Open an experiment by its folder; its arrays are memory-mapped when first used.

    Parameters
    ----------
    path
        ``DATA_ROOT/experiments/ID``, or the output folder of ``build_indices.py``.

    Raises
    ------
    MissingArtifactError
        If there is no experiment.
    """
    # Imported here, so that importing the package is quick.
    from feature_manifold.notebook.experiment import open_experiment

    return open_experiment(path)
