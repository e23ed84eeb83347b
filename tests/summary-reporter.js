import { writeSync } from 'node:fs';

/** Ends a run with the one line CI reads: true counts, a suite that could not start counts as failed. */
export default class SummaryReporter {
  onRunComplete(_contexts, r) {
    const failed = r.numFailedTests + r.numRuntimeErrorTestSuites;
    const skipped = r.numPendingTests + r.numTodoTests;
    // Written at exit because Jest buffers its own summary: so this stays the last line.
    process.once('exit', () =>
      writeSync(1, `${r.numPassedTests} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}\n`),
    );
  }
}
