import { useState } from "react";
import { EXAMPLE_GROUPS, type Example, type ExampleGroup, type LatentPage } from "../data/model";
import { formatActivation } from "../format/numbers";
import { changeView } from "../state/useViewState";
import type { GroupChoice, ViewState } from "../state/viewState";
import { ExampleText } from "./ExampleText";
import { Icon } from "./Icon";
import { Empty } from "./Notice";
import { Segmented } from "./Segmented";
import { TokenTooltip } from "./TokenTooltip";

const TITLES: Readonly<Record<ExampleGroup, string>> = {
  top: "Top",
  high: "High",
  medium: "Medium",
  low: "Low",
};

const MEANINGS: Readonly<Record<ExampleGroup, string>> = {
  top: "strongest firings",
  high: "sampled from the high percentiles",
  medium: "sampled from the middle percentiles",
  low: "sampled from the low percentiles",
};

/** With all groups on one page, each opens with its first few. */
const FIRST = 10;

interface Props {
  page: LatentPage;
  view: ViewState;
}

export function ExampleList({ page, view }: Props) {
  const groups = EXAMPLE_GROUPS.filter((group) => page.examples[group].length > 0);
  const all = groups.flatMap((group) => page.examples[group]);
  const max = page.stats?.max ?? Math.max(0, ...all.map((example) => example.maxActivation));
  const chosen = view.group !== "all" && groups.includes(view.group) ? view.group : "all";
  if (groups.length === 0) {
    return <Empty title="No examples">The export holds no examples of this latent.</Empty>;
  }
  const shown = chosen === "all" ? groups : [chosen];
  return (
    <section className="examples part-examples" aria-label="Max-activating examples">
      <div className="examples-head">
        <h2>Examples</h2>
        {groups.length > 1 && (
          <Segmented<GroupChoice>
            name="Group of examples"
            choices={[
              { value: "all", label: <Counted name="All" count={all.length} /> },
              ...groups.map((group) => ({
                value: group,
                label: <Counted name={TITLES[group]} count={page.examples[group].length} />,
              })),
            ]}
            value={chosen}
            onChange={(group) => changeView({ group }, "replace")}
          />
        )}
        <Segmented
          name="Arrangement of examples"
          choices={[
            { value: "list", label: <Icon name="list" />, title: "List" },
            { value: "grid", label: <Icon name="grid" />, title: "Grid" },
          ]}
          value={view.show}
          onChange={(show) => changeView({ show }, "replace")}
        />
      </div>
      <TokenTooltip max={max}>
        {shown.map((group) => (
          <Group
            key={`${page.id}-${group}-${chosen}`}
            group={group}
            examples={page.examples[group]}
            max={max}
            show={view.show}
            first={chosen === "all" ? FIRST : Infinity}
          />
        ))}
      </TokenTooltip>
    </section>
  );
}

function Counted({ name, count }: { name: string; count: number }) {
  return (
    <>
      {name} <span className="count">{count}</span>
    </>
  );
}

interface GroupProps {
  group: ExampleGroup;
  examples: readonly Example[];
  max: number;
  show: "list" | "grid";
  first: number;
}

function Group({ group, examples, max, show, first }: GroupProps) {
  const [open, setOpen] = useState(false);
  const shown = open ? examples : examples.slice(0, first);
  const peaks = examples.map((example) => example.maxActivation);
  return (
    <section className="example-group" aria-label={`${TITLES[group]} examples`}>
      <header>
        <h3>{TITLES[group]}</h3>
        <span className="quiet">
          {MEANINGS[group]}, {formatActivation(Math.min(...peaks))} to{" "}
          {formatActivation(Math.max(...peaks))}
        </span>
      </header>
      <ol className={`example-items ${show}`}>
        {shown.map((example, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the order of an export is fixed.
          <li key={i}>
            <span className="peak-value" title={`Maximum activation ${example.maxActivation}`}>
              {formatActivation(example.maxActivation)}
            </span>
            <ExampleText example={example} max={max} />
          </li>
        ))}
      </ol>
      {shown.length < examples.length && (
        <button type="button" className="button more" onClick={() => setOpen(true)}>
          Show all {examples.length}
        </button>
      )}
    </section>
  );
}
