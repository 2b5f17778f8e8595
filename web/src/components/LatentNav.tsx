import { type FormEvent, useEffect, useRef, useState } from "react";
import type { LatentTable } from "../data/model";
import { parseLatentId } from "../data/search";
import { formatCount } from "../format/numbers";
import { stepLatent } from "../state/stepLatent";
import { changeView } from "../state/useViewState";
import { Icon } from "./Icon";
import { LatentLabel } from "./VisibleText";

export const JUMP_BOX = "jump-box";

interface Props {
  table: LatentTable;
  id: number;
  skipSilent: boolean;
}

/** Which latent this is, and the way to another: previous, next, by number. */
export function LatentNav({ table, id, skipSilent }: Props) {
  const previous = stepLatent(table, id, -1, skipSilent);
  const next = stepLatent(table, id, 1, skipSilent);
  return (
    <header className="latent-nav">
      <div className="stepper">
        <StepButton to={previous} name="Previous latent" icon="left" />
        <JumpBox table={table} id={id} />
        <StepButton to={next} name="Next latent" icon="right" />
      </div>
      <h1>
        <span className="visually-hidden">Latent {id} </span>
        <LatentLabel label={table.labels[id] ?? null} />
      </h1>
      <label className="check">
        <input
          type="checkbox"
          checked={skipSilent}
          onChange={(event) => changeView({ skipSilent: event.target.checked }, "replace")}
        />
        Skip latents that never fire
      </label>
    </header>
  );
}

interface StepProps {
  to: number | null;
  name: string;
  icon: "left" | "right";
}

function StepButton({ to, name, icon }: StepProps) {
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={name}
      title={`${name} (${icon === "left" ? "←" : "→"})`}
      disabled={to === null}
      onClick={() => to !== null && changeView({ latent: to }, "replace")}
    >
      <Icon name={icon} />
    </button>
  );
}

function JumpBox({ table, id }: { table: LatentTable; id: number }) {
  const [text, setText] = useState(String(id));
  const [wrong, setWrong] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    setText(String(id));
    setWrong(false);
  }, [id]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const latent = parseLatentId(text, table.nLatents);
    setWrong(latent === null);
    if (latent === null) return;
    changeView({ latent });
    input.current?.blur();
  };
  return (
    <form className="jump" onSubmit={submit} noValidate>
      <label htmlFor={JUMP_BOX}>Latent</label>
      <input
        ref={input}
        id={JUMP_BOX}
        inputMode="numeric"
        autoComplete="off"
        value={text}
        aria-invalid={wrong}
        title="Jump to a latent (g)"
        onChange={(event) => {
          setText(event.target.value);
          setWrong(false);
        }}
        onFocus={(event) => event.target.select()}
        onBlur={() => {
          setText(String(id));
          setWrong(false);
        }}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
      <span className="of">of {formatCount(table.nLatents)}</span>
      {wrong && (
        <span className="wrong" role="alert">
          Ids go from 0 to {table.nLatents - 1}
        </span>
      )}
    </form>
  );
}
