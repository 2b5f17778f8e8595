import { type KeyboardEvent, useCallback, useEffect, useId, useMemo, useState } from "react";
import type { Experiment, LatentTable } from "../data/model";
import { useSettled, useTokenSearch } from "../state/queries";
import { changeView, useViewState } from "../state/useViewState";
import { Icon } from "./Icon";
import { SearchList } from "./SearchList";
import { type SearchOption, searchGroups } from "./searchOptions";

export const SEARCH_BOX = "search-box";
const PAUSE_MS = 180;

interface Props {
  experiment: Experiment;
  table: LatentTable;
}

/** Search by token or by id. The text stays in the address, so hits stay lit on the map. */
export function SearchBox({ experiment, table }: Props) {
  const { text, setText, settled, search, found, options, answered } = useSearch(experiment, table);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const [entered, setEntered] = useState(false);
  const list = useId();
  const choose = useCallback((option: SearchOption | undefined) => {
    if (!option) return;
    changeView({ latent: option.id });
    setOpen(false);
    // The arrow keys go on to the next latent.
    document.getElementById(SEARCH_BOX)?.blur();
  }, []);
  // Enter goes to what was typed: until that is found, the list still shows an older text's latents.
  useEffect(() => {
    if (!entered || !answered) return;
    setEntered(false);
    choose(options[Math.max(0, active)]);
  }, [entered, answered, options, active, choose]);
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (options.length > 0) setActive((active + step + options.length) % options.length);
    } else if (event.key === "Enter") {
      setEntered(true);
    } else if (event.key === "Escape") {
      setEntered(false);
      if (open) setOpen(false);
      else event.currentTarget.blur();
    }
  };
  const onChange = (value: string) => {
    setText(value);
    setOpen(true);
    setActive(-1);
    setEntered(false);
  };
  const shown = open && settled.trim() !== "";
  return (
    <search className="search">
      <Icon name="search" />
      <input
        id={SEARCH_BOX}
        type="text"
        role="combobox"
        aria-label="Search by token or latent id"
        aria-expanded={shown}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={shown && active >= 0 ? `${list}-${active}` : undefined}
        placeholder="Search a token or an id"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => onChange(event.target.value)}
        onFocus={() => setOpen(true)}
        onBlur={() => {
          setOpen(false);
          setEntered(false);
        }}
        onKeyDown={onKeyDown}
      />
      {text === "" ? <kbd>/</kbd> : <ClearButton onClear={() => setText("")} />}
      {shown && (
        <SearchList
          listId={list}
          text={settled}
          found={found}
          options={options}
          active={active}
          table={table}
          pending={search.isPending}
          error={search.error}
          onChoose={choose}
        />
      )}
    </search>
  );
}

/** The text of the box, mirrored in the address once it keeps still, and what it finds. */
function useSearch(experiment: Experiment, table: LatentTable) {
  const { query } = useViewState();
  const [text, setText] = useState(query);
  const settled = useSettled(text, PAUSE_MS);
  const search = useTokenSearch(experiment, settled);
  // The back button and "clear" change the address under the box.
  useEffect(() => setText(query), [query]);
  useEffect(() => changeView({ query: settled }, "replace"), [settled]);
  const found = useMemo(
    () => searchGroups(settled, search.data ?? [], table.nLatents),
    [settled, search.data, table.nLatents],
  );
  const options = useMemo(
    () => [...(found.byId ? [found.byId] : []), ...found.groups.flatMap((g) => g.options)],
    [found],
  );
  // A number is its own answer; no token needs to be found for it.
  const answered = text === settled && (found.byId !== null || !search.isFetching);
  return { text, setText, settled, search, found, options, answered };
}

function ClearButton({ onClear }: { onClear: () => void }) {
  const clear = () => {
    onClear();
    changeView({ query: "" }, "replace");
  };
  return (
    <button
      type="button"
      className="icon-button clear"
      aria-label="Clear the search"
      onClick={clear}
    >
      <Icon name="close" />
    </button>
  );
}
