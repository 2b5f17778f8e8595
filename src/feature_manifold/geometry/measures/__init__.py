"""Measures of a cluster: what shape it has, how sure that is, and what chance would give."""

from feature_manifold.geometry.measures.concept import measure_concept, values_of_points
from feature_manifold.geometry.measures.corrections import corrected, max_statistic
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
    "corrected",
    "max_statistic",
    "measure_cloud",
    "measure_concept",
    "values_of_points",
]
