"""What ``import feature_manifold as fm`` offers in a notebook.

``fm.open`` gives an ``experiment.Experiment``: that of ``store`` with clouds, manifolds, searches,
concepts and figures. Everything here calls one function of a room below and shows its result; lists
are ``tables.Table``, which notebooks draw.
"""
