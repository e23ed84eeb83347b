import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasVersion, runCommand } from '../command.ts';
import type { Engine } from '../engine.ts';

const version = '2.19.1';
const folder = join(import.meta.dirname, '../../opensearch');
const home = (cacheDir: string): string => join(cacheDir, `opensearch-${version}`);
const copyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** Heap of the node. */
const heap = ['-Xms512m', '-Xmx512m'];
/** Less to do at the start than with the defaults of the JVM. */
const jvm = [...heap, '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

/** Whether a node answers at the port, and has its indexes at hand. */
const isUp = async (port: number): Promise<boolean> => {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/_cluster/health`, { signal: AbortSignal.timeout(1_000) });
    const { status } = (await response.json()) as { status?: string };
    return response.ok && status !== 'red';
  } catch {
    return false;
  }
};

/** One node of OpenSearch, started by infra/opensearch/SearchNode.java; no user, no password, no TLS. */
export const opensearch: Engine = {
  name: 'opensearch',
  users: ['admin', 'search'],
  ports: { opensearch: 9_200 },
  tools: [
    {
      what: 'java 17 or later',
      debian: 'openjdk-17-jre-headless',
      isThere: () => hasVersion('java', ['-version'], { from: 17 }),
    },
    {
      what: 'javac 17 or later',
      debian: 'openjdk-17-jdk-headless',
      onlyToInstall: true,
      isThere: () => hasVersion('javac', ['-version'], { from: 17 }),
    },
    {
      what: 'mvn (Maven)',
      debian: 'maven',
      onlyToInstall: true,
      isThere: () => hasVersion('mvn', ['--version'], { from: 3 }),
    },
  ],
  isInstalled: async (cacheDir) => existsSync(home(cacheDir)),
  async install(cacheDir) {
    const draft = `${home(cacheDir)}.draft`;
    await rm(draft, { recursive: true, force: true });
    const [lib, classes] = [join(draft, 'lib'), join(draft, 'classes')];
    await mkdir(classes, { recursive: true });
    const where = ['-DincludeScope=runtime', `-DoutputDirectory=${lib}`];
    await runCommand('mvn', ['-B', '-q', '-f', join(folder, 'pom.xml'), copyPlugin, ...where]);
    await copyFile(join(folder, 'SearchNode.java'), join(draft, 'SearchNode.java'));
    await runCommand('javac', ['-cp', join(lib, '*'), '-d', classes, join(draft, 'SearchNode.java')]);
    await rename(draft, home(cacheDir));
  },
  async plan({ cacheDir, dataDir, ports }) {
    const port = ports['opensearch'] as number;
    await mkdir(dataDir, { recursive: true });
    const path = ['classes', 'lib/*'].map((part) => join(home(cacheDir), part)).join(':');
    return [
      {
        name: 'opensearch',
        about: `OpenSearch ${version}, one node: the search index`,
        port,
        command: ['java', ...jvm, '-cp', path, 'SearchNode', dataDir, String(port)],
        isReady: () => isUp(port),
      },
    ];
  },
  env: async ({ ports }) => ({ OPENSEARCH_URL: `http://127.0.0.1:${ports['opensearch']}` }),
};
