"""Planted-manifold experiments of any size: data as if harvested, with its ground truth beside it.

``spec`` says what is asked for; ``shapes`` and ``things`` what is planted; ``population`` which
latents there are and how often they fire; ``text`` the corpus; ``firings`` and ``decoder`` make the
data; ``experiment`` joins them in memory; ``stages`` and ``write`` put them on disk.
"""
