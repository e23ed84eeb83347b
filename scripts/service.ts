/** Starts one service: `npm run service socket`. */
import { existsSync, readdirSync } from 'node:fs';

const names = readdirSync('services').filter((name) => existsSync(`services/${name}/src/main.ts`));
const name = process.argv[2] ?? '';
if (names.includes(name)) {
  await import(`../services/${name}/src/main.ts`);
} else {
  const asked = name === '' ? 'Which service?' : `There is no service ${JSON.stringify(name)}.`;
  process.stderr.write(`${asked} Choose one: ${names.map((each) => `npm run service ${each}`).join(', ')}\n`);
  process.exitCode = 2;
}
