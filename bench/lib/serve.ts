import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import type { Answer, Ask, Usage } from './control.ts';

const usage = (): Usage => {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { cpuSeconds: (user + system) / 1e6, rssBytes: rss, heapBytes: heapUsed + external };
};

const say = (answer: Answer): void => void process.send?.(answer);

/**
 * The child's half: tells that it serves, then answers what the generator asks. Without a parent it ends. `use` measures
 * a server that is more than this process.
 */
export const serve = (info: unknown, stop: () => Promise<void>, use: () => Usage = usage): void => {
  let session: Session | undefined;
  const answers: Record<Extract<Ask, string>, () => Promise<unknown>> = {
    usage: async () => use(),
    gc: async () => {
      for (let i = 0; i < 4; i++) {
        globalThis.gc?.();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return use();
    },
    profile: async () => {
      session = new Session();
      session.connect();
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: 200 });
      await session.post('Profiler.start');
    },
    stop,
  };
  const profiledInto = async (file: string): Promise<string> => {
    const result = (await session?.post('Profiler.stop')) as { profile: unknown } | undefined;
    writeFileSync(file, JSON.stringify(result?.profile));
    return file;
  };
  process.on('message', (ask: Ask) => {
    const answer = typeof ask === 'string' ? answers[ask]() : profiledInto(ask.profiledInto);
    void answer.then((value) => {
      say({ kind: 'answer', value });
      if (ask === 'stop') process.exit(0);
    });
  });
  process.on('disconnect', () => process.exit(1));
  process.on('SIGINT', () => undefined); // the generator ends us
  say({ kind: 'ready', info });
};
