/** Asks at most once per `freshMs`, whoever calls how often; failures are not kept. */
export const freshFor = <T>(freshMs: number, ask: () => Promise<T>): (() => Promise<T>) => {
  let kept: { answer: Promise<T>; untilMs: number } | undefined;
  return () => {
    const nowMs = performance.now();
    if (kept && nowMs < kept.untilMs) return kept.answer;
    const mine = { answer: ask(), untilMs: nowMs + freshMs };
    kept = mine;
    mine.answer.catch(() => {
      if (kept === mine) kept = undefined;
    });
    return mine.answer;
  };
};
