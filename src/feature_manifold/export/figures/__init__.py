"""Figures of clusters, drawn from arrays with matplotlib.

``planes.planes_figure`` draws a cloud in pairs of principal axes, ``curves.tuning_figure`` how
strongly each latent fires along a coordinate, ``curves.spectrum_figure`` how much variance each
axis has. Nothing needs a display: they return a ``drawing.Drawing``, which notebooks show and
``savefig`` writes as PNG, SVG or PDF.
"""
