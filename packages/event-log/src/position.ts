/** Offsets a generation has room for: 2^44. */
export const offsetsPerGeneration = 2 ** 44;
/** Generations there is room for, so that every position stays an exact number below 2^53. */
export const maxGenerations = 2 ** 9;

/**
 * Position of a record: sorts the records of one conversation as the log does. 1 at least, so that 0 can mean "none", and
 * below 2^53. The generation grows when the partitions of a topic are regrown: a conversation may then move to a partition
 * whose offsets are smaller, and its positions must grow all the same.
 */
export const positionOf = (offset: number, generation = 0): number => generation * offsetsPerGeneration + offset + 1;
