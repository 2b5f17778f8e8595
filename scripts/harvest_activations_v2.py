"""Run model and SAE on a corpus and collect activations: see --help."""

from feature_manifold.cli.scripts import harvest_activations, run_script

if __name__ == "__main__":
    run_script(harvest_activations)
