"""The specification's files, as values for ``store.spec_layout`` to write.

Public entry points:

- ``payloads.index_payload``, ``positions_payload``, ``search_index_payload``, ``edges_payload``,
  ``experiment_entry``, ``experiments_payload``: the JSON of the static site. A latent's own page
  is ``LatentPage.to_json`` of the examples room.
- ``rows.spec_rows``: native shards and token table -> rows of ``shard_*.npz``.
"""
