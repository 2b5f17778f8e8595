import { useEffect } from "react";

/** The name of the tab: which latent, on which page. */
export function useTitle(page: string, latent: number | null): void {
  useEffect(() => {
    const parts = [latent === null ? null : `Latent ${latent}`, page, "Feature Manifold Interface"];
    document.title = parts.filter((part) => part !== null).join(" · ");
  }, [page, latent]);
}
