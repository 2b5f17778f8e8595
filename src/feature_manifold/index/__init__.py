"""Shards of firings -> firings by latent and by token, statistics and labels of every latent.

Public entry points:

- ``merge.merge_shards``: shards -> firings by latent, of type ``merge.activation_dtype``.
- ``transpose.sort_by_token``: shards -> firings by token.
- ``statistics.latent_statistics``: count, range, mean, percentiles and label of every latent.
- ``labels.shard_labels``: the same labels, straight from shards.
- ``rows.sort_firings``, ``rows.token_table_of_rows``: the specification's ``shard_*.npz`` rows ->
  a shard, and the token table that the rows imply.
"""
