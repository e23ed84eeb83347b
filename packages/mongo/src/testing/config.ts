/** What engine tests need to know of MongoDB; `@caas/mongo/testing`. */
import { onDatabase } from '../database.ts';

const variable = 'MONGODB_URL';

/** Where the tests' MongoDB is. Throws a sentence that names the variable when it is not said. */
export const mongoUrl = (): string => {
  const url = process.env[variable];
  if (!url) throw new Error(`Set ${variable} to the MongoDB the tests may use, or run: npm run test:engines`);
  return url;
};

/** A database for one test file, whose name no other file or run has. */
export const mongoForTest = (name: string) => ({
  url: mongoUrl(),
  database: `test_${name}_${process.pid}_${Date.now().toString(36)}`,
});

/** Removes a test's database. */
export const dropDatabase = async ({ url, database }: { url: string; database: string }): Promise<void> => {
  await onDatabase(url, database, (db) => db.dropDatabase());
};
