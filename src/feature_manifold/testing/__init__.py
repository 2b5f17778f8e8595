"""Tiny models, SAEs and corpora, made in seconds without a network, for tests and benchmarks.

Import the modules: ``tiny`` makes whole experiments and imports torch, ``texts`` does not, nor does
``planted``, which makes harvested data of any size without a model.
"""
