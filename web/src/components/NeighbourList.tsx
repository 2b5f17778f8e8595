import { type EdgeKind, type Experiment, edgeKind, type LatentTable } from "../data/model";
import { formatWeight } from "../format/numbers";
import { useNeighbours } from "../state/queries";
import { changeView } from "../state/useViewState";
import { LatentLink } from "./LatentLink";
import { Failure, Loading } from "./Notice";
import { Segmented } from "./Segmented";
import { LatentLabel } from "./VisibleText";

const NAMES: Readonly<Record<EdgeKind, string>> = {
  cosine: "Cosine",
  jaccard: "Jaccard",
  coactivation: "Co-firing",
  exported: "Exported",
};

const MEANINGS: Readonly<Record<EdgeKind, string>> = {
  cosine: "Cosine between decoder directions",
  jaccard: "Shared tokens over all tokens on which either fires",
  coactivation: "Tokens on which both fire",
  exported: "The edges of this export",
};

/** The file names of the specification; another export may name any file. */
const MEASURE_FILES: Readonly<Record<string, EdgeKind>> = {
  "decoder_similarity.npz": "cosine",
  "jaccard_similarity.npz": "jaccard",
  "coactivation.npz": "coactivation",
};

function describe(kind: EdgeKind, measure: string | null): string {
  if (measure === null) return MEANINGS[kind];
  return measure in MEASURE_FILES ? MEANINGS[MEASURE_FILES[measure]] : measure;
}

interface Props {
  experiment: Experiment;
  table: LatentTable;
  id: number;
  wanted: EdgeKind | null;
}

export function NeighbourList({ experiment, table, id, wanted }: Props) {
  const kinds = experiment.edges;
  const kind = edgeKind(experiment, wanted);
  const query = useNeighbours(experiment, id, kind);
  if (kind === null) return null;
  const list = query.data?.neighbours ?? [];
  const strongest = list[0]?.weight ?? 1;
  return (
    <section className="facts-block part-neighbours" aria-label="Neighbours">
      <div className="block-head">
        <h2>Neighbours</h2>
        {kinds.length > 1 && (
          <Segmented
            name="Kind of neighbours"
            choices={kinds.map((value) => ({ value, label: NAMES[value] }))}
            value={kind}
            onChange={(neighbours) => changeView({ neighbours }, "replace")}
          />
        )}
      </div>
      <p className="readout">{describe(kind, query.data?.measure ?? null)}</p>
      {query.isPending && <Loading what="neighbours" />}
      {query.isError && (
        <Failure what="The neighbours" error={query.error} onRetry={() => query.refetch()} />
      )}
      {query.isSuccess && list.length === 0 && <p className="quiet">No edges at this latent.</p>}
      <ol className="neighbours">
        {list.map((neighbour) => (
          <li key={neighbour.id}>
            <LatentLink id={neighbour.id}>
              <span className="id">{neighbour.id}</span>
              <LatentLabel label={table.labels[neighbour.id] ?? null} />
              <span
                className="meter"
                style={{ "--share": Math.max(0, neighbour.weight / strongest) }}
                aria-hidden="true"
              />
              <span className="weight">{formatWeight(neighbour.weight)}</span>
            </LatentLink>
          </li>
        ))}
      </ol>
    </section>
  );
}
