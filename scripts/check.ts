/** Everything that can be judged without running the product; reports all that is wrong, not the first only. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { buildPackage } from './build-package.ts';
import { lockFaults } from './complete-lock.ts';
import { contractChanges } from './contract-changes.ts';
import { generate } from './gen.ts';
import { type Outcome, runTool } from './run-step.ts';

const judge = (faults: readonly string[]): Outcome => ({ ok: faults.length === 0, output: faults.join('\n') });

const generatedCode = async (): Promise<Outcome> => {
  const scratch = `.cache/check-${process.pid}`;
  try {
    const { changed, stale } = await generate(scratch);
    return judge([...changed, ...stale].map((file) => `gen/${file} is not what proto/ gives: run npm run gen`));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

const promisedContract = async (): Promise<Outcome> => {
  const image = `.cache/contract-${process.pid}.binpb`;
  mkdirSync('.cache', { recursive: true });
  try {
    return await contractChanges(image);
  } finally {
    rmSync(image, { force: true });
  }
};

/** Built as it is packed, what others install loads, without the conditions of this repository. */
const published = async (folder: string): Promise<Outcome> => {
  const dist = `.cache/package-${process.pid}`;
  try {
    const built = await buildPackage(folder, dist);
    if (!built.ok) return built;
    const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as {
      exports: Record<string, { default: string }>;
    };
    for (const { default: file } of Object.values(exports))
      await import(pathToFileURL(file.replace('./dist', dist)).href);
    return judge([]);
  } finally {
    rmSync(dist, { recursive: true, force: true });
  }
};

const documents = async (): Promise<Outcome> => {
  const { errorsDocPath, errorsDocument } = await import('./errors-doc.ts');
  const fresh = readFileSync(errorsDocPath, 'utf8') === errorsDocument();
  return judge(fresh ? [] : [`${errorsDocPath} is not what the table gives: run node scripts/errors-doc.ts`]);
};

const steps: Readonly<Record<string, () => Outcome | Promise<Outcome>>> = {
  types: () => runTool('tsc', '-p', '.'),
  'types of the SDK as it is published': () => runTool('tsc', '-p', 'packages/client/tsconfig.build.json', '--noEmit'),
  'compliance-client as it is published': () => published('packages/compliance-client'),
  lint: () => runTool('biome', 'ci', '--colors=off', '--diagnostic-level=warn', '--max-diagnostics=100', '.'),
  'unused code and dependencies': () => runTool('knip', '--no-progress'),
  'contract lint': () => runTool('buf', 'lint'),
  'contract compatibility': promisedContract,
  'generated code': generatedCode,
  documents,
  lockfile: () => judge(lockFaults()),
};

const outcomes = await Promise.all(
  Object.entries(steps).map(async ([name, step]) => {
    const startedAt = performance.now();
    const outcome = await (async () => step())().catch((error: unknown): Outcome => judge([String(error)]));
    return { name, ...outcome, seconds: ((performance.now() - startedAt) / 1_000).toFixed(1) };
  }),
);

for (const { name, ok, seconds } of outcomes) process.stdout.write(`${ok ? '✓' : '✗'} ${name} (${seconds} s)\n`);
const failed = outcomes.filter(({ ok }) => !ok);
for (const { name, output } of failed) process.stdout.write(`\n── ${name} ──\n${output}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
