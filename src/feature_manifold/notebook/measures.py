"""The measures of a cluster as a table, each beside its interval and what chance would give."""

from collections.abc import Callable, Iterator, Mapping

from feature_manifold.core.concepts import Concept
from feature_manifold.geometry.measures.concept import measure_concept, values_of_points
from feature_manifold.geometry.measures.measure import measure_cloud
from feature_manifold.geometry.measures.registry import BY_NAME
from feature_manifold.geometry.measures.results import Measured
from feature_manifold.notebook.cloud import Cloud
from feature_manifold.notebook.tables import Cell, Table

Row = tuple[str, Measured]


class Measures(Mapping[str, Measured]):
    """Measures by name; NaN, shown as a dash, where one does not apply.

    Parameters
    ----------
    found
        What ``geometry.measures`` returned.
    title
        What was measured.
    """

    def __init__(self, found: Mapping[str, Measured], *, title: str) -> None:
        self._found = dict(found)
        nulls = dict.fromkeys(null for one in found.values() for null in one.nulls)
        self.table: Table[Row] = Table(
            tuple(self._found.items()),
            {
                "measure": lambda row: BY_NAME[row[0]].title,
                "value": lambda row: row[1].value,
                "unit": lambda row: BY_NAME[row[0]].unit,
                "low": lambda row: row[1].low,
                "high": lambda row: row[1].high,
                "as draws": _as_draws,
                **{f"{null} median": _of_null(null, "median") for null in nulls},
                **{f"{null} p": _of_null(null, "p") for null in nulls},
                "evidence is": lambda row: BY_NAME[row[0]].evidence or "",
            },
            title=title,
            most=len(found),
        )

    def __getitem__(self, name: str) -> Measured:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def to_rows(self) -> list[dict[str, Cell]]:
        """Return a dict a measure, by column."""
        return self.table.to_rows()

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def measured(cloud: Cloud, concept: Concept | None, *, effort: str, seed: int) -> Measures:
    """Measure a cloud, by itself and against a concept; see ``Cloud.measures``."""
    found = dict(
        measure_cloud(
            cloud.exact,
            cloud.token_ids,
            core_types=cloud.core,
            seed=seed,
            effort=effort,
        )
    )
    title = f"measures of {len(cloud.latents)} latents"
    if concept is not None:
        match = cloud.experiment.search_index.match(concept)
        values = values_of_points(cloud.token_ids, match.token_ids, concept.values[match.steps])
        found |= measure_concept(
            cloud.exact,
            values,
            period=concept.period,
            n_steps=concept.n_steps,
            seed=seed,
            effort=effort,
        )
        title += f" against {concept.name}"
    return Measures(found, title=title)


def _as_draws(row: Row) -> Cell:
    """Return the measure on as many points as draws have: what their median is to be compared with.

    A value of all points is not: half of the measures depend on the number of points.
    """
    return next((null.observed for null in row[1].nulls.values()), None)


def _of_null(null: str, field: str) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        found = row[1].nulls.get(null)
        value: float | None = None if found is None else getattr(found, field)
        return value

    return cell
