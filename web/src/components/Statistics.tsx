import type { LatentPage, LatentTable } from "../data/model";
import { formatActivation, formatCount, formatOneIn, formatShare } from "../format/numbers";

interface Props {
  page: LatentPage;
  table: LatentTable;
}

export function Statistics({ page, table }: Props) {
  const firings = page.totalFirings ?? table.totalFirings[page.id] ?? 0;
  const share = table.nTokens ? firings / table.nTokens : null;
  // A latent that never fires has no activations; some sources write zeros for them.
  const stats = firings > 0 ? page.stats : null;
  return (
    <section className="facts-block statistics-block" aria-label="Statistics">
      <dl className="statistics">
        <div>
          <dt>Firings</dt>
          <dd>{formatCount(firings)}</dd>
        </div>
        {share !== null && (
          <div title={share > 0 ? formatOneIn(share) : undefined}>
            <dt>Rate</dt>
            <dd>{formatShare(share)}</dd>
          </div>
        )}
        {stats && (
          <>
            <div>
              <dt>Maximum</dt>
              <dd>{formatActivation(stats.max)}</dd>
            </div>
            <div className="more-facts">
              <dt>Mean</dt>
              <dd>{formatActivation(stats.mean)}</dd>
            </div>
            <div>
              <dt>Median</dt>
              <dd>{formatActivation(stats.p50)}</dd>
            </div>
            <div className="more-facts" title="The middle 80 % of the firings">
              <dt>10 – 90 %</dt>
              <dd>
                {formatActivation(stats.p10)} – {formatActivation(stats.p90)}
              </dd>
            </div>
          </>
        )}
      </dl>
    </section>
  );
}
