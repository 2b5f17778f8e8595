"""Document streams to token table."""

from feature_manifold.corpus.table import CorpusFacts, build_token_table

__all__ = ["CorpusFacts", "build_token_table"]
