import { Agent, get } from 'node:http';
import { createLogger } from '@caas/kit/log';
import { expect, test } from '@jest/globals';
import { listen } from './listen.ts';

const logger = createLogger({ service: 'gateway', level: 'silent' });

test('connections of one address are bounded, those kept alive between requests included', async () => {
  const options = { host: '127.0.0.1', port: 0, maxPerAddress: 2, drainMs: 100, logger };
  const server = await listen((_, response) => void response.end('here'), options);
  const stopping = new AbortController();
  const running = server.run(stopping.signal);
  const agents: Agent[] = [];
  const asked = (agent: Agent): Promise<number | string | undefined> =>
    new Promise((resolve) => {
      get(server.url, { agent }, (response) => response.resume().on('end', () => resolve(response.statusCode))).on(
        'error',
        ({ code }: NodeJS.ErrnoException) => resolve(code),
      );
    });
  const keptAlive = (): Agent => {
    const agent = new Agent({ keepAlive: true });
    agents.push(agent);
    return agent;
  };
  const [one, two] = [keptAlive(), keptAlive()];
  expect([await asked(one), await asked(two)]).toEqual([200, 200]);
  // Nobody asks for anything now, and both places are taken all the same.
  expect(await asked(keptAlive())).toBe('ECONNRESET');
  expect(await asked(one)).toBe(200);
  two.destroy();
  const deadline = Date.now() + 5_000;
  let answer: number | string | undefined;
  while (answer !== 200 && Date.now() < deadline) answer = await asked(keptAlive());
  expect(answer).toBe(200);
  for (const agent of agents) agent.destroy();
  stopping.abort();
  await running;
});
