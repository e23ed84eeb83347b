/** The first characters of a term by which it can be found; longer beginnings are looked up among the terms. */
export const maxHeadLength = 12;

/** Fields that indexes made before do not have; they get them at the start. */
export const addedFields = {
  trace: { type: 'keyword', index: false, doc_values: false },
  indexed: { type: 'long', index: false, doc_values: false },
} as const;

/** Settings and fields of the two indexes. */
export const messagesIndex = {
  settings: {
    index: {
      number_of_shards: 3,
      auto_expand_replicas: '0-1',
      refresh_interval: '1s',
      // What a purge takes out leaves the files, however little of a segment it is.
      merge: { policy: { expunge_deletes_allowed: 0 } },
      // What is taken out is kept for copies that were away to catch up by, by default for hours. They copy files instead.
      soft_deletes: { retention_lease: { period: '4s' } },
      // As text/match.ts has it: nothing but the document has a say, so that a score stays the same.
      similarity: {
        fit: {
          type: 'scripted',
          script: {
            source: 'double n = 1.2 * (0.25 + 0.75 * doc.length / 20.0); return doc.freq / (doc.freq + n);',
          },
        },
      },
    },
    analysis: {
      filter: { head: { type: 'edge_ngram', min_gram: 1, max_gram: maxHeadLength } },
      // The terms are made by text/tokens.ts, with spaces between.
      analyzer: { heads: { type: 'custom', tokenizer: 'whitespace', filter: ['head'] } },
    },
  },
  mappings: {
    dynamic: 'strict',
    // Texts are not kept, only where their terms are.
    _source: { excludes: ['terms'] },
    properties: {
      tenant: { type: 'keyword' },
      conversation: { type: 'keyword' },
      message: { type: 'keyword', index: false, doc_values: false },
      /** Conversation and message: the last word in the order of hits. */
      key: { type: 'keyword' },
      sender: { type: 'keyword' },
      seq: { type: 'long' },
      accepted: { type: 'long' },
      attached: { type: 'boolean' },
      found: { type: 'boolean' },
      ...addedFields,
      terms: {
        type: 'text',
        analyzer: 'whitespace',
        similarity: 'fit',
        // At the same places: the beginnings of each term.
        fields: { heads: { type: 'text', analyzer: 'heads', search_analyzer: 'whitespace', similarity: 'fit' } },
      },
    },
  },
} as const;

export const stateIndex = {
  settings: { index: { number_of_shards: 1, auto_expand_replicas: '0-1' } },
  mappings: {
    dynamic: 'strict',
    properties: { rev: { type: 'long', index: false }, value: { type: 'keyword', index: false, doc_values: false } },
  },
} as const;
