/**
 * Bodies are encoded documents; columns are what is looked up, ordered or compared. A conversation is a small number in
 * every row and index (`conversation_ref`), because tenant and conversation ids would be most of an index's bytes.
 */
export const migrations = [
  `CREATE TABLE conversation_ref (
     conv INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, conversation_id TEXT NOT NULL, UNIQUE (tenant_id, conversation_id)
   ) STRICT;
   CREATE TABLE conversation (
     conv INTEGER PRIMARY KEY, head_rev INTEGER NOT NULL, epoch INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
   CREATE TABLE message (
     conv INTEGER NOT NULL, message_id TEXT NOT NULL, seq INTEGER NOT NULL, rev INTEGER NOT NULL, epoch INTEGER NOT NULL,
     sender_id TEXT NOT NULL, deleted INTEGER NOT NULL, thread_root_id TEXT, pinned_at_ms INTEGER, body BLOB NOT NULL,
     UNIQUE (conv, message_id)) STRICT;
   CREATE INDEX message_seq ON message (conv, seq, deleted, sender_id);
   CREATE INDEX message_rev ON message (conv, rev);
   CREATE INDEX message_thread ON message (conv, thread_root_id, seq) WHERE thread_root_id IS NOT NULL;
   CREATE INDEX message_pinned ON message (conv, pinned_at_ms, seq) WHERE pinned_at_ms IS NOT NULL;
   CREATE TABLE participant (
     conv INTEGER NOT NULL, user_id TEXT NOT NULL, tenant_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
     active INTEGER NOT NULL, rev INTEGER NOT NULL, epoch INTEGER NOT NULL, body BLOB NOT NULL,
     PRIMARY KEY (conv, user_id)) STRICT, WITHOUT ROWID;
   CREATE INDEX participant_rev ON participant (conv, rev);
   CREATE INDEX participant_user ON participant (tenant_id, user_id, conversation_id, active);
   CREATE TABLE hidden (
     conv INTEGER NOT NULL, user_id TEXT NOT NULL, message_id TEXT NOT NULL, seq INTEGER NOT NULL, rev INTEGER NOT NULL,
     PRIMARY KEY (conv, user_id, message_id)) STRICT, WITHOUT ROWID;
   CREATE INDEX hidden_seq ON hidden (conv, user_id, seq);
   CREATE INDEX hidden_rev ON hidden (conv, user_id, rev);
   CREATE TABLE shard_claim (shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;`,
  // JSON: by "topic-partition" the next offset.
  "ALTER TABLE shard_claim ADD COLUMN position TEXT NOT NULL DEFAULT '{}';",
];
