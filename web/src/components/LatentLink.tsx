import type { MouseEvent, ReactNode } from "react";
import { changeView, useViewState, viewHref } from "../state/useViewState";

interface Props {
  id: number;
  children: ReactNode;
  className?: string;
}

/** A real link (new tab, copy address), followed in place on a plain click. */
export function LatentLink({ id, children, className }: Props) {
  const { latent } = useViewState();
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    changeView({ latent: id });
  };
  return (
    <a
      className={className}
      href={viewHref({ latent: id })}
      aria-current={latent === id ? "true" : undefined}
      onClick={follow}
    >
      {children}
    </a>
  );
}
