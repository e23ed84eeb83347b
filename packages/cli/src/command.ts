import type { Command } from 'commander';

/** Exit code of a command that did its work and found something that is not as it should be. */
export const foundFaults = 1;
/** Exit code of a command line that makes no sense (EX_USAGE of sysexits.h). */
export const wrongUsage = 64;

/** What a command is given besides its options. */
export interface CommandContext {
  /** Aborts when the process is told to end. */
  signal: AbortSignal;
  /** Prints a line of the result. */
  print(line: string): void;
  /** Shows how far it is; replaced by the next one where there is a terminal. */
  progress(line: string): void;
  /** What the process ends with, unless a fault is thrown. */
  exit(code: number): void;
}

/** Adds one command to the program. A command is a file in commands/; what it does lies in a folder of its name. */
export type Register = (program: Command, context: CommandContext) => void;
