"""Language model and SAE over a token table: the resumable loop that writes shards of firings."""

from feature_manifold.harvest.loop import HarvestFacts, run_harvest, write_decoder

__all__ = ["HarvestFacts", "run_harvest", "write_decoder"]
