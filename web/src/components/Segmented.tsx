import type { ReactNode } from "react";

interface Choice<T extends string> {
  readonly value: T;
  readonly label: ReactNode;
  /** When the label is a picture. */
  readonly title?: string;
}

interface Props<T extends string> {
  name: string;
  choices: readonly Choice<T>[];
  value: T;
  onChange: (value: T) => void;
}

/** A row of buttons of which one is on. Buttons, not radios: arrow keys step through latents. */
export function Segmented<T extends string>({ name, choices, value, onChange }: Props<T>) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out as a row everywhere.
    <div className="segmented" role="group" aria-label={name}>
      {choices.map((choice) => (
        <button
          key={choice.value}
          type="button"
          aria-pressed={choice.value === value}
          aria-label={choice.title}
          title={choice.title}
          onClick={() => onChange(choice.value)}
        >
          {choice.label}
        </button>
      ))}
    </div>
  );
}
