/** The thread's half of JudgeThread: judges texts that may take long. */
import { parentPort } from 'node:worker_threads';
import { ContentPolicy } from '@caas/proto/caas/compliance/v1/policy_service';
import { compilePolicy, type Evaluator } from './compile.ts';
import type { ToThread } from './judge-thread.ts';

/** Policies kept compiled; a thread is asked of few. */
const maxKept = 8;
const kept = new Map<string, Evaluator>();

const evaluatorOf = (name: string, policy: Uint8Array): Evaluator => {
  const evaluator = kept.get(name) ?? compilePolicy(ContentPolicy.decode(policy));
  kept.delete(name);
  kept.set(name, evaluator);
  if (kept.size > maxKept) kept.delete(kept.keys().next().value as string);
  return evaluator;
};

parentPort?.on('message', ({ name, policy, text, asReviewer }: ToThread) => {
  const judged = evaluatorOf(name, policy).judge(text, { asReviewer, maxSteps: Number.POSITIVE_INFINITY });
  parentPort?.postMessage(judged);
});
parentPort?.postMessage('ready');
