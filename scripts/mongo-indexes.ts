/**
 * `npm run indexes`: where the indexes of MONGODB_URL differ from what the code declares; `-- --create` builds those that
 * are missing. Ends with 1 when the services could not start with what is there.
 */
import { parseArgs } from 'node:util';
import { mongoAccountIndexes } from '@caas/account-store/mongo';
import { mongoAuditIndexes } from '@caas/audit-store/mongo';
import { mongoKeyIndexes } from '@caas/key-store/mongo';
import { mongoMediaIndexes } from '@caas/media-store/mongo';
import { mongoMessageIndexes } from '@caas/message-store/mongo';
import { ensureIndexes, indexDifferences, onDatabase } from '@caas/mongo';
import { mongoPolicyIndexes } from '@caas/policy-store/mongo';
import { mongoPrivacyIndexes } from '@caas/privacy-store/mongo';

const { values } = parseArgs({
  options: { create: { type: 'boolean', default: false }, database: { type: 'string', default: 'caas' } },
});
const url = process.env['MONGODB_URL'];
if (!url) {
  process.stderr.write('Set MONGODB_URL to the MongoDB whose indexes you ask for.\n');
  process.exit(64);
}
const declared = [
  ...mongoMessageIndexes,
  ...mongoAccountIndexes,
  ...mongoKeyIndexes,
  ...mongoAuditIndexes,
  ...mongoPolicyIndexes,
  ...mongoMediaIndexes,
  ...mongoPrivacyIndexes,
];
await onDatabase(url, values.database, async (db) => {
  const before = await indexDifferences(db, declared);
  if (values.create && before.different.length === 0) await ensureIndexes(db, declared, 'create');
  const { missing, different, unknown } = await indexDifferences(db, declared);
  const made = before.missing.filter((name) => !missing.includes(name));
  for (const name of made) process.stdout.write(`made       ${name}\n`);
  for (const name of missing) process.stdout.write(`missing    ${name}\n`);
  for (const name of different) process.stdout.write(`different  ${name}: build the declared one and drop this one\n`);
  for (const name of unknown) process.stdout.write(`unknown    ${name}: not used by this program\n`);
  const wrong = missing.length + different.length;
  process.stdout.write(wrong === 0 ? 'All declared indexes are there.\n' : '');
  process.exitCode = wrong === 0 ? 0 : 1;
});
