import { type Db, MongoClient } from 'mongodb';

/** Does one piece of upkeep on a database over a connection of its own, with no limit on its time. */
export const onDatabase = async <T>(url: string, database: string, work: (db: Db) => Promise<T>): Promise<T> => {
  const client = new MongoClient(url);
  try {
    return await work(client.db(database));
  } finally {
    await client.close();
  }
};
