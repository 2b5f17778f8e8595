"""Measure an SAE's variance explained and L0: see --help."""

from feature_manifold.cli.scripts import run_script, sanity_check_sae

if __name__ == "__main__":
    run_script(sanity_check_sae)
