/**
 * Adds to package-lock.json the optional packages of other platforms that npm leaves out when it writes the file and
 * then misses in `npm ci` (npm/cli#9846). Run it once after each change of dependencies.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';

interface Entry {
  version?: string;
  resolved?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, Entry>;
}

const systems = ['darwin', 'win32', 'android', 'freebsd', 'openbsd', 'netbsd', 'sunos', 'aix', 'openharmony', 'linux'];
const processors = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64', 'mips64el', 'wasm32'];

const read = (): Lock => JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;

/** Entries npm would add: a platform is read from the package's name, as all of these packages name theirs. */
const missing = ({ packages }: Lock): Record<string, Entry> => {
  const found: Record<string, Entry> = {};
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (packages[`${path}/node_modules/${name}`] || packages[`node_modules/${name}`] || !/^\d/.test(version))
        continue;
      const words = name.split(/[-/.]/);
      const os = systems.find((system) => words.includes(system)) ?? (words.includes('wasi') ? 'wasi' : undefined);
      const arm = words.some((word) => word.startsWith('arm')) ? 'arm' : undefined;
      const cpu = processors.find((processor) => words.includes(processor)) ?? arm;
      found[`node_modules/${name}`] = {
        version,
        optional: true,
        ...(entry.dev && { dev: true }),
        ...(cpu && { cpu: [cpu] }),
        ...(os && { os: [os] }),
        ...(os === 'linux' && { libc: [words.includes('musl') ? 'musl' : 'glibc'] }),
      };
    }
  }
  return found;
};

const manifests = (): string[] => {
  const { workspaces } = JSON.parse(readFileSync('package.json', 'utf8')) as { workspaces: string[] };
  return ['package.json', ...globSync(workspaces.map((workspace) => `${workspace}/package.json`))];
};

const same = (a: object = {}, b: object = {}): boolean =>
  JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());

/** What keeps `npm ci` from working with the committed lockfile, or would bind it to one registry. */
export const lockFaults = (): string[] => {
  const lock = read();
  const faults = Object.keys(missing(lock)).map((path) => `${path} is missing: run scripts/complete-lock.ts`);
  for (const [path, { resolved, link }] of Object.entries(lock.packages)) {
    if (resolved !== undefined && !link) faults.push(`${path} names the registry it came from`);
  }
  for (const file of manifests()) {
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Entry;
    const locked = lock.packages[file === 'package.json' ? '' : file.replace(/\/package\.json$/, '')];
    const agrees =
      same(manifest.dependencies, locked?.dependencies) && same(manifest.devDependencies, locked?.devDependencies);
    if (!locked || !agrees) faults.push(`${file} has other dependencies than the lockfile: run npm install`);
  }
  return faults;
};

if (import.meta.main) {
  const lock = read();
  const added = missing(lock);
  const entries = Object.entries({ ...lock.packages, ...added }).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(
    'package-lock.json',
    `${JSON.stringify({ ...lock, packages: Object.fromEntries(entries) }, null, 2)}\n`,
  );
  process.stdout.write(`package-lock.json: ${Object.keys(added).length} entries added\n`);
}
