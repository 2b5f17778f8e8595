"""What a planted experiment is made of: sizes, shares and imperfections."""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from feature_manifold.core.config import MAX_TOKENS, config_hash
from feature_manifold.core.errors import ConfigError

LEAST_D_MODEL = 16
MAX_LATENTS = 1 << 22
GENERATION = 1
"""Raised when the same spec gives other data, so that what is there is made anew."""


class Layout(StrEnum):
    """How a planted experiment is laid out on disk: ours, the specification's, or both."""

    COMPACT = "compact"
    SPEC = "spec"
    BOTH = "both"


@dataclass(frozen=True)
class PlantedSpec:
    """A planted experiment; the same spec gives the same data.

    Attributes
    ----------
    n_tokens
        Corpus tokens, BOS not counted.
    n_latents, d_model
        Shape of the decoder.
    l0
        Firings per corpus token, on average over the corpus.
    seed
        Of every random choice.
    seq_len
        Rows of a window, its BOS included.
    shard_tokens
        Token rows in a shard, about; each is drawn from streams of its own.
    concept_share
        Share of the corpus that is words of planted things.
    silent_share
        Share of the latents that never fire; at least one does not.
    split_share
        Share of a manifold's spokes whose role two latents share: now one fires, now the other.
    absorbed_share
        Share of a manifold's spokes that are silent on half of the occurrences of their nearest
        word, where a latent of that word alone fires instead.
    hub
        Weight of the direction that the latents of one thing share; spokes across a circle still
        have negative cosines.
    jitter
        Scatter of a word's coordinate from occurrence to occurrence, in distances of words.
    noise
        Scatter of a manifold's activations, relative to each of them.
    miss
        Chance that a latent of a planted thing does not fire where it should.
    stray
        Chance that it fires on any other token.
    decoder_noise
        Length of what is added to each of its decoder rows, relative to the row.
    manifolds
        Without them, more decoys of more kinds are planted: data in which nothing is to be found.
    """

    n_tokens: int
    n_latents: int
    d_model: int
    l0: float
    seed: int = 0
    seq_len: int = 1024
    shard_tokens: int = 131_072
    concept_share: float = 0.1
    silent_share: float = 0.02
    split_share: float = 0.1
    absorbed_share: float = 0.1
    hub: float = 0.4
    jitter: float = 0.15
    noise: float = 0.1
    miss: float = 0.02
    stray: float = 2e-5
    decoder_noise: float = 0.1
    manifolds: bool = True

    def __post_init__(self) -> None:
        """Check bounds.

        Raises
        ------
        ConfigError
            Naming the field and what it may be.
        """
        _within("tokens", self.n_tokens, 1, MAX_TOKENS)
        _within("latents", self.n_latents, 16, MAX_LATENTS)
        _within("d-model", self.d_model, LEAST_D_MODEL, 1 << 20)
        _within("l0", self.l0, 1, self.n_latents)
        _within("seed", self.seed, 0, 2**63 - 1)
        _within("seq-len", self.seq_len, 2, 1 << 20)
        _within("shard-tokens", self.shard_tokens, 1, 1 << 24)
        for name in ("concept_share", "silent_share", "split_share", "absorbed_share", "miss"):
            _within(name, getattr(self, name), 0, 0.9)
        for name in ("hub", "jitter", "noise", "stray", "decoder_noise"):
            _within(name, getattr(self, name), 0, 1)

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of all that determines the data."""
        # 60 and 60.0 are the same spec.
        floats = [field.name for field in fields(self) if field.type is float]
        exact = {name: float(getattr(self, name)) for name in floats}
        values = {"generation": GENERATION, **asdict(self), **exact}
        if self.manifolds:
            # Specs had no such field when data was made from them that is still the same.
            del values["manifolds"]
        return config_hash(values)


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(
            f"A planted experiment's {name} is {value:,}, expected {least} to {most:,}."
        )
