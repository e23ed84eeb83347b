/** Regenerates gen/ from proto/: TypeScript, then the descriptor image that gRPC reflection serves. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';

const buf = (...args: string[]): void => void execFileSync('node_modules/.bin/buf', args, { stdio: 'inherit' });
for (const dir of ['gen/ts/caas', 'gen/ts/google', 'gen/ts/grpc']) rmSync(dir, { recursive: true, force: true });
mkdirSync('gen/descriptor', { recursive: true });
buf('generate');
buf('build', '--as-file-descriptor-set', '--exclude-source-info', '-o', 'gen/descriptor/caas.binpb');
