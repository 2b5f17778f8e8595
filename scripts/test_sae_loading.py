"""Validate that an SAE loads: see --help."""

from feature_manifold.cli.scripts import check_sae_loading, run_script

if __name__ == "__main__":
    run_script(check_sae_loading)
