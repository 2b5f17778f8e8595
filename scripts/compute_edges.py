"""Compute UMAP positions and similarity edges: see --help."""

from feature_manifold.cli.scripts import compute_edges, run_script

if __name__ == "__main__":
    run_script(compute_edges)
