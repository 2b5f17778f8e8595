"""Language model and SAE over a token table: the resumable loop that writes shards of firings."""

from feature_manifold.core.extras import missing_extra

try:
    from feature_manifold.harvest.loop import HarvestFacts, run_harvest, write_decoder
    from feature_manifold.harvest.readiness import check_harvest
    from feature_manifold.harvest.sanity import (
        SaeLoading,
        SaeSanity,
        sae_loading_report,
        sae_sanity,
    )
except ModuleNotFoundError as error:
    raise missing_extra(error, work="The harvest", extra="harvest") from error

__all__ = [
    "HarvestFacts",
    "SaeLoading",
    "SaeSanity",
    "check_harvest",
    "run_harvest",
    "sae_loading_report",
    "sae_sanity",
    "write_decoder",
]
