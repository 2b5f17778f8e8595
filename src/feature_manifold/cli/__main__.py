"""``python -m feature_manifold.cli``: the same as ``fmi``."""

from feature_manifold.cli.main import main

main()
