// Owns: what a mutant is: a known mistake put back into our own code, as replacements of text, and what must notice it. The mutants
// stand in one file for each room, or two; which mistakes there are is rules.ts's, running them runner.ts's.
// (M1) What is replaced occurs exactly once in its file, so that a mutant keeps up with the code or fails by name.
// (M2) A mutant that stays alive is a hole in the tests. It is closed by a test, never by leaving the mutant out.

export type Edit = { readonly file: string; readonly find: string; readonly put: string };

/** A test file, or up to how many seeds of the simulator. */
export type Killer = string | number;

export type Mutant = {
  /** Numbers of traps, and timelines: what rules.ts lists. */
  readonly rules: readonly string[];
  readonly name: string;
  readonly killer: Killer;
  readonly edits: readonly Edit[];
};

/** Enough for the simulator to find what it can find: the seeds that do lie well below. */
export const SEEDS = 150;

/** A piece of text over several lines. */
export function lines(...parts: readonly string[]): string {
  return parts.join("\n");
}

export function mutant(rules: string, name: string, killer: Killer, ...edits: readonly Edit[]): Mutant {
  return { rules: rules.split(" "), name, killer, edits };
}

/** How often the text of an edit occurs. */
export function occurrences(text: string, { find }: Edit): number {
  return text.split(find).length - 1;
}

export function edited(text: string, { find, put }: Edit): string {
  return text.replace(find, () => put);
}
