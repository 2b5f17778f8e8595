"""Document streams to token table."""

from feature_manifold.core.extras import missing_extra

try:
    from feature_manifold.corpus.table import CorpusFacts, build_token_table
except ModuleNotFoundError as error:
    raise missing_extra(error, work="Reading a corpus", extra="harvest") from error

__all__ = ["CorpusFacts", "build_token_table"]
