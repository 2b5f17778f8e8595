"""Groups of latents: found without labels, and ranked by how much they look like a manifold."""
