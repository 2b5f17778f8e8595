"""Convert positions.npy to JSON for the web: see --help."""

from feature_manifold.cli.scripts import export_umap_json, run_script

if __name__ == "__main__":
    run_script(export_umap_json)
