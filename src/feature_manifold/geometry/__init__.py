"""Latents seen together: who points the same way, who fires on the same tokens, where to draw it.

Public entry points:

- ``edges.LatentPairs``: the neighbours that edges and layouts share, computed once when asked for.
- ``edges.EDGE_KINDS``: name of an edge kind -> function from ``LatentPairs`` to a sparse matrix.
- ``layout.LAYOUTS``: name of a layout -> function from ``LatentPairs`` to ``layout.Layout``.
- ``cosine.cosine_neighbours``, ``overlap.overlap_neighbours``, ``combined.combined_neighbours``:
  what is behind them.
- ``backends.choose_backend``: where these multiply and count, with the same result everywhere.
"""
