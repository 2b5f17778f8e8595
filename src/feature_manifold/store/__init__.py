"""Every path, every file format, atomic writes and manifests: the only room that touches files."""
