import { CaasError } from '@caas/kit';
import { type Db, type IndexDescriptionInfo, MongoServerError } from 'mongodb';

/** 1 ascending, −1 descending, in the order of the fields. */
export type IndexKey = Readonly<Record<string, 1 | -1>>;

/** An index as the code wants it. Never unique: `_id` is what identifies. */
export interface IndexDeclaration {
  name: string;
  key: IndexKey;
  /** Leaves out documents that have none of the fields. */
  sparse?: boolean;
}

export interface CollectionIndexes {
  collection: string;
  indexes: readonly IndexDeclaration[];
}

/** 'create' builds what is missing; 'check' changes nothing. */
export type IndexMode = 'create' | 'check';

/** Where the database differs from what is declared, as `collection.index`. */
export interface IndexDifferences {
  missing: string[];
  /** The same name or key, but not the same index. */
  different: string[];
  /** Not declared: an operator's own, or of an earlier version. They are left alone. */
  unknown: string[];
}

const namespaceNotFound = 26;

const keyText = (key: object): string => JSON.stringify(Object.entries(key));

const listed = async (db: Db, collection: string): Promise<IndexDescriptionInfo[]> => {
  try {
    return await db.collection(collection).listIndexes().toArray();
  } catch (thrown) {
    if (thrown instanceof MongoServerError && thrown.code === namespaceNotFound) return [];
    throw thrown;
  }
};

const fits = (wanted: IndexDeclaration, found: IndexDescriptionInfo): boolean =>
  keyText(wanted.key) === keyText(found.key) &&
  Boolean(wanted.sparse) === Boolean(found.sparse) &&
  !found.unique &&
  found['partialFilterExpression'] === undefined &&
  found['expireAfterSeconds'] === undefined &&
  found['collation'] === undefined;

/** Compares one collection with its declaration. */
const compare = ({ collection, indexes }: CollectionIndexes, found: readonly IndexDescriptionInfo[]) => {
  const missing: IndexDeclaration[] = [];
  const different: string[] = [];
  const known = new Set<IndexDescriptionInfo>(found.filter(({ name }) => name === '_id_'));
  for (const wanted of indexes) {
    const fitting = found.find((index) => fits(wanted, index));
    const rival = found.find((index) => index.name === wanted.name || keyText(index.key) === keyText(wanted.key));
    if (fitting) known.add(fitting);
    else if (rival) {
      known.add(rival);
      different.push(`${collection}.${wanted.name}`);
    } else missing.push(wanted);
  }
  return { missing, different, unknown: found.filter((index) => !known.has(index)) };
};

/** Where the database differs from the declarations; nothing is changed. */
export const indexDifferences = async (
  db: Db,
  declarations: readonly CollectionIndexes[],
): Promise<IndexDifferences> => {
  const differences: IndexDifferences = { missing: [], different: [], unknown: [] };
  for (const declared of declarations) {
    const { missing, different, unknown } = compare(declared, await listed(db, declared.collection));
    differences.missing.push(...missing.map(({ name }) => `${declared.collection}.${name}`));
    differences.different.push(...different);
    differences.unknown.push(...unknown.map(({ name }) => `${declared.collection}.${name}`));
  }
  return differences;
};

/**
 * Creates the declared indexes that are missing. An index that differs from its declaration is never changed: building
 * another one is an operator's decision. Several processes may do this at the same time.
 *
 * @throws CaasError FAILED_PRECONDITION that names the indexes that differ and, in mode 'check', those that are missing.
 */
export const ensureIndexes = async (
  db: Db,
  declarations: readonly CollectionIndexes[],
  mode: IndexMode,
): Promise<void> => {
  const { missing, different } = await indexDifferences(db, declarations);
  const wrong = mode === 'check' ? [...different, ...missing] : different;
  if (wrong.length > 0)
    throw new CaasError('FAILED_PRECONDITION', 'the indexes of the database are not those this program needs', {
      details: { indexes: wrong.join(', ') },
    });
  for (const { collection, indexes } of declarations) {
    const wanted = indexes.filter(({ name }) => missing.includes(`${collection}.${name}`));
    if (wanted.length > 0) await db.collection(collection).createIndexes(wanted.map((index) => ({ ...index })));
  }
};
