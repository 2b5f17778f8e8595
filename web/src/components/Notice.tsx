import { Component, type ErrorInfo, type ReactNode } from "react";
import { DataError } from "../data/guards";

export function Loading({ what }: { what: string }) {
  return (
    <div className="notice loading" role="status">
      <span className="spinner" aria-hidden="true" />
      Loading {what}
    </div>
  );
}

/** Nothing to show, and why: not an error. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="notice empty" role="status">
      <strong>{title}</strong>
      {children !== undefined && <div>{children}</div>}
    </div>
  );
}

interface FailureProps {
  what: string;
  error: unknown;
  onRetry?: () => void;
}

/** What went wrong, in which file, and what to do next. */
export function Failure({ what, error, onRetry }: FailureProps) {
  const data = error instanceof DataError ? error : null;
  return (
    <div className="notice failure" role="alert">
      <strong>{what} could not be shown</strong>
      {data && <code className="file">{data.file}</code>}
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {data?.remedy && <p className="remedy">{data.remedy}</p>}
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

interface BoundaryProps {
  what: string;
  children: ReactNode;
}

/** The last net: a fault in drawing shows as a failure of this part, never as a blank page. */
export class Boundary extends Component<BoundaryProps, { error: unknown }> {
  override state = { error: null as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    reportError(new Error(`${this.props.what}: ${info.componentStack ?? ""}`, { cause: error }));
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <Failure
        what={this.props.what}
        error={this.state.error}
        onRetry={() => this.setState({ error: null })}
      />
    );
  }
}
