"""Ground floor: configuration, errors, seeded generators, progress, array checks."""
