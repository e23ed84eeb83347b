import { createHistogram } from 'node:perf_hooks';

export interface LatencySummary {
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  count: number;
}

/** Latencies at a resolution of a microsecond, at a fixed cost each. */
export class LatencyRecorder {
  readonly #histogram = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * 1_000)));
  }

  reset(): void {
    this.#histogram.reset();
  }

  summary(): LatencySummary {
    const { count, max } = this.#histogram;
    const at = (percentile: number): number => (count === 0 ? 0 : this.#histogram.percentile(percentile) / 1_000);
    return { p50Ms: at(50), p99Ms: at(99), maxMs: count === 0 ? 0 : max / 1_000, count };
  }
}
