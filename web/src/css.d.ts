import "react";

declare module "react" {
  // Custom properties carry data (an activation, a share) into the style sheets.
  interface CSSProperties {
    [name: `--${string}`]: string | number | undefined;
  }
}
