"""Measures of a cluster: what shape it has, how sure that is, and what chance would give."""

from feature_manifold.geometry.measures.measure import measure_cloud
from feature_manifold.geometry.measures.registry import CONCEPT_MEASURES, MEASURES, Measure
from feature_manifold.geometry.measures.results import EFFORTS, Effort, Measured, Null

__all__ = [
    "CONCEPT_MEASURES",
    "EFFORTS",
    "MEASURES",
    "Effort",
    "Measure",
    "Measured",
    "Null",
    "measure_cloud",
]
