import { useEffect } from "react";
import type { LatentTable } from "../data/model";
import { formatCount } from "../format/numbers";
import { Failure, Loading } from "./Notice";
import type { SearchOption, searchGroups } from "./searchOptions";
import { LatentLabel, VisibleText } from "./VisibleText";

interface Props {
  listId: string;
  text: string;
  found: ReturnType<typeof searchGroups>;
  options: readonly SearchOption[];
  active: number;
  table: LatentTable;
  pending: boolean;
  error: unknown;
  onChoose: (option: SearchOption) => void;
}

/** What the search found, in groups by token; focus stays in the box (combobox pattern). */
export function SearchList(props: Props) {
  const { listId, text, found, options, active, pending, error } = props;
  useEffect(() => {
    document.getElementById(`${listId}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [listId, active]);
  const line = (option: SearchOption) => (
    <Line
      key={`${option.kind}-${option.id}`}
      option={option}
      index={options.indexOf(option)}
      {...props}
    />
  );
  return (
    // A press in the list must not take the focus away before it counts as a click.
    <div className="search-list" onPointerDown={(event) => event.preventDefault()}>
      <div id={listId} role="listbox" aria-label="Search results">
        {found.byId && line(found.byId)}
        {found.groups.map((group) => (
          // biome-ignore lint/a11y/useSemanticElements: options of a listbox are grouped by role.
          <div key={group.token} role="group" aria-label={`Token ${group.token}`}>
            <div className="search-token" aria-hidden="true">
              <span className="label">
                <VisibleText text={group.token} edges />
              </span>
              <span className="quiet">
                {formatCount(group.options.length + group.more)}{" "}
                {group.options.length + group.more === 1 ? "latent" : "latents"}
                {group.more > 0 && `, first ${group.options.length}`}
              </span>
            </div>
            {group.options.map(line)}
          </div>
        ))}
      </div>
      {found.moreTokens > 0 && (
        <p className="quiet">{found.moreTokens} more tokens match; type more of the word.</p>
      )}
      {pending && <Loading what="matches" />}
      {error !== null && error !== undefined && <Failure what="The search" error={error} />}
      {!pending && !error && options.length === 0 && (
        <p className="quiet">
          No latent fires often on a token like “<VisibleText text={text} />
          ”.
        </p>
      )}
    </div>
  );
}

function Line({
  listId,
  option,
  index,
  active,
  table,
  onChoose,
}: Props & { option: SearchOption; index: number }) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox handles the keys.
    // biome-ignore lint/a11y/useFocusableInteractive: focus stays in the combobox.
    <div
      id={`${listId}-${index}`}
      role="option"
      aria-selected={index === active}
      className="search-option"
      onClick={() => onChoose(option)}
    >
      <span className="id">{option.id}</span>
      {option.kind === "id" && <span className="quiet">Go to latent</span>}
      <LatentLabel label={table.labels[option.id] ?? null} />
      {option.kind === "hit" && option.count !== null && (
        <span className="weight">
          {formatCount(option.count)} {option.count === 1 ? "firing" : "firings"}
        </span>
      )}
    </div>
  );
}
