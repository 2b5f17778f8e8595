"""Tiny models, SAEs and corpora, made in seconds and without a network, for tests and benchmarks."""

from feature_manifold.testing.hub import LocalHub, use_hub
from feature_manifold.testing.tiny import TinyExperiment, TinyHub, tiny_gemma_cache, tiny_gpt2

__all__ = [
    "LocalHub",
    "TinyExperiment",
    "TinyHub",
    "tiny_gemma_cache",
    "tiny_gpt2",
    "use_hub",
]
