import type { Schemas, Unread } from "../api/answers";
import {
  asArray,
  asBody,
  asCount,
  asNumber,
  asNumbers,
  asString,
  asStrings,
  DataError,
  optional,
} from "./guards";
import {
  type ActivationHistogram,
  type ActivationStats,
  EXAMPLE_GROUPS,
  type Example,
  type ExampleGroup,
  type LatentPage,
} from "./model";

interface OlderExample {
  activation: number;
}

type Body = Schemas["LatentPageBody"] & { top_examples: readonly OlderExample[] };

/**
 * Read one latent's page: today's `examples{top,high,medium,low}` or the older `top_examples[...]`.
 */
export function parseLatentPage(file: string, json: unknown, expectedId: number): LatentPage {
  const body = asBody<Body>(file, "The file", json);
  const id = optional(body.latent_id, (v) => asCount(file, "latent_id", v)) ?? expectedId;
  if (id !== expectedId) {
    throw new DataError(file, `This file describes latent ${id}, not latent ${expectedId}.`);
  }
  return {
    id,
    label: optional(body.label, (v) => asString(file, "label", v)),
    totalFirings: optional(body.total_firings, (v) => asCount(file, "total_firings", v)),
    stats: optional(body.activation_stats, (v) => parseStats(file, v)),
    histogram: optional(body.histogram, (v) => parseHistogram(file, v)),
    examples: parseGroups(file, body),
  };
}

function parseGroups(file: string, body: Unread<Body>): Record<ExampleGroup, readonly Example[]> {
  if (body.examples === undefined && body.top_examples !== undefined) {
    const top = parseExamples(file, "top_examples", body.top_examples);
    return { top, high: [], medium: [], low: [] };
  }
  const groups = asBody<Schemas["ExampleGroups"]>(file, "examples", body.examples);
  const read = (group: ExampleGroup) =>
    optional(groups[group], (v) => parseExamples(file, `examples.${group}`, v)) ?? [];
  const [top, high, medium, low] = EXAMPLE_GROUPS.map(read);
  return { top, high, medium, low };
}

function parseExamples(file: string, place: string, value: unknown): readonly Example[] {
  return asArray(file, place, value).map((item, i) => parseExample(file, `${place}[${i}]`, item));
}

function parseExample(file: string, place: string, value: unknown): Example {
  const item = asBody<Schemas["Example"] & OlderExample>(file, place, value);
  const tokens = asStrings(file, `${place}.tokens`, item.tokens);
  const activations = asNumbers(file, `${place}.token_activations`, item.token_activations);
  if (tokens.length !== activations.length) {
    throw new DataError(
      file,
      `${place} has ${tokens.length} tokens but ${activations.length} token_activations.`,
    );
  }
  // `activation` is the older name.
  const peak = item.max_activation ?? item.activation;
  return {
    maxActivation: asNumber(file, `${place}.max_activation`, peak),
    context: optional(item.context, (v) => asString(file, `${place}.context`, v)) ?? "",
    tokens,
    activations,
  };
}

/** Null for a latent that never fires: some exporters write its statistics as nulls. */
function parseStats(file: string, value: unknown): ActivationStats | null {
  const stats = asBody<Schemas["ActivationStats"]>(file, "activation_stats", value);
  if (stats.max === null || stats.max === undefined) return null;
  const read = (name: keyof ActivationStats) =>
    asNumber(file, `activation_stats.${name}`, stats[name]);
  return {
    min: read("min"),
    max: read("max"),
    mean: read("mean"),
    p10: read("p10"),
    p50: read("p50"),
    p90: read("p90"),
  };
}

function parseHistogram(file: string, value: unknown): ActivationHistogram | null {
  const body = asBody<Schemas["Histogram"]>(file, "histogram", value);
  const bins = asNumbers(file, "histogram.bins", body.bins);
  const counts = asNumbers(file, "histogram.counts", body.counts);
  if (counts.length === 0) return null;
  if (bins.length !== counts.length + 1) {
    throw new DataError(
      file,
      `histogram has ${bins.length} bin edges for ${counts.length} counts; one more is needed.`,
    );
  }
  return { bins, counts };
}
