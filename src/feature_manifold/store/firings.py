"""Firings, sorted by latent or by token: two orientations of the same triples."""

from dataclasses import dataclass
from pathlib import Path

from feature_manifold.core.arrays import Array, check_indptr
from feature_manifold.store.npy import open_npy

INDPTR = "indptr.npy"
TOKENS = "tokens.npy"
ACTIVATIONS = "activations.npy"
TOKEN_INDPTR = "token_indptr.npy"
TOKEN_LATENTS = "token_latents.npy"
TOKEN_ACTIVATIONS = "token_activations.npy"
STATISTICS = "statistics.npy"

FLOATS = ("<f2", "<f4")


@dataclass(frozen=True)
class FiringsByLatent:
    """Firings sorted by latent, then token.

    Attributes
    ----------
    indptr
        int64 (n_latents + 1,), first firing of each latent.
    tokens
        uint32 (n_firings,), token-table rows, rising within a latent.
    activations
        float16 or float32 (n_firings,), positive.
    n_tokens
        Rows of the token table.
    """

    indptr: Array
    tokens: Array
    activations: Array
    n_tokens: int

    @property
    def n_latents(self) -> int:
        """Number of latents, those that never fire included."""
        return len(self.indptr) - 1

    @property
    def n_firings(self) -> int:
        """Number of firings."""
        return len(self.tokens)

    def latent(self, latent: int) -> tuple[Array, Array]:
        """Return the tokens and activations of one latent, as views."""
        span = slice(int(self.indptr[latent]), int(self.indptr[latent + 1]))
        return self.tokens[span], self.activations[span]


@dataclass(frozen=True)
class FiringsByToken:
    """Firings sorted by token, then latent.

    Attributes
    ----------
    indptr
        int64 (n_tokens + 1,).
    latents
        uint32 (n_firings,), rising within a token.
    activations
        float16 or float32 (n_firings,).
    """

    indptr: Array
    latents: Array
    activations: Array

    def token(self, token: int) -> tuple[Array, Array]:
        """Return the latents and activations of one token, as views."""
        span = slice(int(self.indptr[token]), int(self.indptr[token + 1]))
        return self.latents[span], self.activations[span]


def open_by_latent(folder: Path) -> FiringsByLatent:
    """Open the firings by latent in a ``latents/`` folder, memory-mapped.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If a file is missing, truncated or foreign.
    """
    indptr = open_npy(folder / INDPTR, dtypes=("<i8",), shape=(None,))
    tokens = open_npy(folder / TOKENS, dtypes=("<u4",), shape=(None,))
    activations = open_npy(folder / ACTIVATIONS, dtypes=FLOATS, shape=(len(tokens),))
    check_indptr(str(folder / INDPTR), indptr, n_entries=len(tokens))
    token_indptr = open_npy(folder / TOKEN_INDPTR, dtypes=("<i8",), shape=(None,))
    return FiringsByLatent(indptr, tokens, activations, len(token_indptr) - 1)


def open_by_token(folder: Path) -> FiringsByToken:
    """Open the firings by token in a ``latents/`` folder, memory-mapped.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If a file is missing, truncated or foreign.
    """
    indptr = open_npy(folder / TOKEN_INDPTR, dtypes=("<i8",), shape=(None,))
    latents = open_npy(folder / TOKEN_LATENTS, dtypes=("<u4",), shape=(None,))
    activations = open_npy(folder / TOKEN_ACTIVATIONS, dtypes=FLOATS, shape=(len(latents),))
    if len(indptr) == 0 or int(indptr[-1]) != len(latents):
        check_indptr(str(folder / TOKEN_INDPTR), indptr, n_entries=len(latents))
    return FiringsByToken(indptr, latents, activations)
