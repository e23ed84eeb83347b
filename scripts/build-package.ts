/**
 * Builds a workspace that others install: its sources, and those of our private workspaces that they import, compiled into one
 * `dist` whose files name each other by path; so the package depends on what is on the registry alone.
 * `node scripts/build-package.ts packages/compliance-client [out]`
 */
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { type Outcome, runTool } from './run-step.ts';

interface Manifest {
  exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  dependencies?: Readonly<Record<string, string>>;
}

const root = resolve(import.meta.dirname, '..');
const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

/** File of one of our workspaces that a specifier names, as its package.json says; `@caas/proto/a/b` by its pattern. */
const sourceOf = (specifier: string): string => {
  const [scope, name, ...rest] = specifier.split('/');
  const folder = realpathSync(join(root, 'node_modules', `${scope}/${name}`));
  const { exports } = manifestOf(folder);
  const subpath = ['.', ...rest].join('/');
  const target = exports[subpath] ?? String(exports['./*']).replace('*', rest.join('/'));
  return join(folder, typeof target === 'string' ? target : (target['@caas/source'] as string));
};

const sourcesOf = (folder: string): string[] =>
  Object.values(manifestOf(folder).exports).map((target) =>
    join(folder, (target as Record<string, string>)['@caas/source'] as string),
  );

/** Specifiers of imports and exports; comments of declarations that name none. */
const specifiers = /(\bfrom\s+|\bimport\s*\(\s*|^import\s+)(['"])([^'"]+)\2/gm;

const importsOf = (text: string): string[] => [...text.matchAll(specifiers)].map((match) => match[3] as string);

/** Every source that the entries lead to. */
const closure = (entries: readonly string[]): Set<string> => {
  const seen = new Set<string>();
  const queue = [...entries];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const specifier of importsOf(readFileSync(file, 'utf8'))) {
      if (specifier.startsWith('.')) queue.push(resolve(dirname(file), specifier));
      else if (specifier.startsWith('@caas/')) queue.push(sourceOf(specifier));
    }
  }
  return seen;
};

/** `@caas/kit` → `../../../kit/src/index.js` in what was compiled; answers the packages of others that are named. */
const rewrite = (dist: string): Set<string> => {
  const others = new Set<string>();
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(js|d\.ts)$/.test(name)) continue;
    const file = join(dist, name);
    const text = readFileSync(file, 'utf8').replace(
      specifiers,
      (whole, before: string, quote: string, specifier: string) => {
        if (!specifier.startsWith('@caas/')) {
          if (!specifier.startsWith('.') && !isBuiltin(specifier))
            others.add(specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'));
          return whole;
        }
        const target = join(dist, relative(root, sourceOf(specifier))).replace(/\.ts$/, '.js');
        const path = relative(dirname(file), target);
        return `${before}${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
      },
    );
    writeFileSync(file, text);
  }
  return others;
};

export const buildPackage = async (folder: string, out = join(folder, 'dist')): Promise<Outcome> => {
  const dist = resolve(root, out);
  const config = join(root, `.cache/build-${process.pid}.json`);
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dirname(config), { recursive: true });
  const files = [...closure(sourcesOf(join(root, folder)))];
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        ...{ noEmit: false, allowImportingTsExtensions: false, declaration: true, target: 'es2022' },
        ...{ rootDir: root, outDir: dist, typeRoots: [join(root, 'node_modules/@types')] },
      },
      files,
      include: [],
    }),
  );
  try {
    const compiled = await runTool('tsc', '-p', config);
    if (!compiled.ok) return compiled;
    const others = rewrite(dist);
    const declared = new Set(Object.keys(manifestOf(join(root, folder)).dependencies ?? {}));
    const faults = [
      ...[...others].filter((name) => !declared.has(name)).map((name) => `${name} is imported and no dependency`),
      ...[...declared].filter((name) => !others.has(name)).map((name) => `${name} is a dependency and not imported`),
    ];
    return { ok: faults.length === 0, output: faults.join('\n') };
  } finally {
    rmSync(config, { force: true });
  }
};

if (import.meta.main) {
  const [folder, out] = process.argv.slice(2);
  if (folder === undefined) throw new Error('which workspace?');
  const name = relative(root, resolve(folder));
  process.chdir(root);
  const { ok, output } = await buildPackage(name, out);
  if (output) process.stderr.write(`${output}\n`);
  process.exitCode = ok ? 0 : 1;
}
