import type { Hop } from './hop.ts';

/** What of a service's log line tells of a hop. */
interface LogLine {
  time: string;
  service: string;
  msg: string;
  trace_id?: string;
  traceId?: string;
  /** Of lines that tell of many. */
  trace_ids?: string[];
  elapsed_ms?: number;
  method?: string;
  route?: string;
  command?: string;
  caller?: string;
  status?: number;
  reason?: string;
}

const parsed = (line: string): LogLine | undefined => {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined; // cut off, or no line of ours
  }
};

const whatOf = ({ msg, method, route, command, caller, status, reason }: LogLine): string =>
  [msg, method, route, command, status, caller && `for ${caller}`, reason].filter((part) => part).join(' ');

/**
 * Hops of the lines that name the trace. A line is written when its work is done, so the hop began that much earlier. Services
 * write one for each request, call, frame and batch with LOG_LEVEL=debug; with less only what was refused or failed.
 */
export const hopsOfLines = async (lines: Iterable<string> | AsyncIterable<string>, traceId: string): Promise<Hop[]> => {
  const hops: Hop[] = [];
  for await (const text of lines) {
    if (!text.includes(traceId)) continue;
    const line = parsed(text);
    if (!line || ![line.trace_id, line.traceId, ...(line.trace_ids ?? [])].includes(traceId)) continue;
    const { elapsed_ms: tookMs, service } = line;
    const atMs = Date.parse(line.time) - (tookMs ?? 0);
    hops.push({ kind: 'line', where: service, what: whatOf(line), atMs, ...(tookMs !== undefined && { tookMs }) });
  }
  return hops;
};
