"""Extract top examples per latent for the visualizer: see --help."""

from feature_manifold.cli.scripts import extract_top_activations, run_script

if __name__ == "__main__":
    run_script(extract_top_activations)
