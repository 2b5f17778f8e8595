"""``latent_labels.json``: the token on which each latent fires most."""

from typing import Any

from feature_manifold.index.labels import Labels


def latent_labels_payload(labels: Labels, vocabulary: list[str]) -> dict[str, dict[str, Any]]:
    """Return the specification's labels by latent id.

    Parameters
    ----------
    labels
        Of all latents.
    vocabulary
        Text of every token id.

    Returns
    -------
    dict
        ``{"17": {"token", "token_id", "count", "total_firings"}}``; token and token_id are null
        for a latent that never fires.
    """
    rows = zip(labels.token_id.tolist(), labels.count.tolist(), labels.total.tolist(), strict=True)
    return {
        str(latent): {
            "token": vocabulary[token_id] if token_id >= 0 else None,
            "token_id": token_id if token_id >= 0 else None,
            "count": count,
            "total_firings": total,
        }
        for latent, (token_id, count, total) in enumerate(rows)
    }
