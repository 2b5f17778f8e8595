"""Label of one latent, as every list of latents shows it."""

from feature_manifold.examples.pages import token_text
from feature_manifold.store.experiment import Experiment


def label_of(experiment: Experiment, latent: int) -> str | None:
    """Return the text of the token on which a latent fires most; None if it never fires."""
    record = experiment.statistics[latent]
    if not record["count"]:
        return None
    return token_text(experiment.vocabulary, int(record["label_token_id"]))
