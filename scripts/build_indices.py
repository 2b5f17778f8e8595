"""Create per-latent indices from harvest shards: see --help."""

from feature_manifold.cli.scripts import build_indices, run_script

if __name__ == "__main__":
    run_script(build_indices)
