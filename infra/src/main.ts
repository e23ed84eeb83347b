/** `npm run infra`: real engines for the services to run on, in the foreground until Ctrl-C. */
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, runMain } from '@caas/kit';
import { type Engines, engineNames, enginesIn, makeSecrets, startEngines } from './start-engines.ts';

const usage = `usage: npm run infra -- [--only ${engineNames.join(',')}] [--port-base N] [--data DIR] [--fresh] [--install] [--secrets]
  --only       these engines, not all
  --port-base  consecutive ports from N on, instead of the usual ones
  --data       folder of data, logs, secrets and variables (default .cache/infra); one run in each at a time
  --fresh      begins with empty data
  --install    lets apt-get install what the machine lacks (as root)
  --secrets    makes the folder's secrets.env and starts nothing: for docker compose`;

const parse = () => {
  try {
    return parseArgs({
      options: {
        only: { type: 'string' },
        'port-base': { type: 'string' },
        data: { type: 'string' },
        fresh: { type: 'boolean', default: false },
        install: { type: 'boolean', default: false },
        secrets: { type: 'boolean', default: false },
      },
    }).values;
  } catch (thrown) {
    throw new ConfigError(`${(thrown as Error).message}\n${usage}`);
  }
};

const portBaseOf = (text: string): number => {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_000) throw new ConfigError(`--port-base is no port.\n${usage}`);
  return port;
};

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const report = ({ processes, env, dataDir }: Engines): void => {
  say('');
  for (const { plan } of processes) say(`${plan.name.padEnd(17)} ${`127.0.0.1:${plan.port}`.padEnd(16)} ${plan.about}`);
  const folder = relative('.', dataDir) || '.';
  say(`\n${Object.keys(env).join(', ')}`);
  say(`  ${folder}/env            for --env-file, as the administrator`);
  say(`  ${folder}/env.<service>  as that service, with the engines it uses`);
  say(`logs: ${folder}/logs, data: ${folder}/data. Ctrl-C stops all.`);
};

await runMain(async (signal) => {
  const values = parse();
  if (values.secrets) {
    say(`secrets: ${await makeSecrets(values.data)}`);
    return;
  }
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  const engines = await startEngines({
    ...(values.only !== undefined && { only: enginesIn(values.only) }),
    ...(values['port-base'] !== undefined && { ports: portBaseOf(values['port-base']) }),
    ...(values.data !== undefined && { dataDir: values.data }),
    fresh: values.fresh,
    install: values.install,
    onProgress: say,
    onLost: (how) => lost.reject(new ConfigError(how)),
  });
  try {
    report(engines);
    const stopped = new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      else signal.addEventListener('abort', resolve, { once: true });
    });
    await Promise.race([stopped, lost.promise]);
    say('stopping');
  } finally {
    await engines.stop();
  }
});
