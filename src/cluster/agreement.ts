// Owns: the comparison of the replicas' states: at the index of a mark in the log every replica says what its state sums up to, and the
// leader looks whether they agree. How a state is summed up is src/jobs; how the sums travel, and what becomes of a replica that differs,
// is statehashes.ts's.
// (Y1) Only sums of the same index are compared, and only what a majority says is right: of two that differ nobody knows which is wrong.
// (Y2) Only the newest marks are kept; a replica that answers later than that is compared at the next one.

const MARKS_KEPT = 4;

/** The sum of a majority at an index, and who differs from it. */
export type Verdict = { readonly right: string; readonly wrong: readonly string[] };

export class Agreement {
  private readonly marks = new Map<number, Map<string, string>>();

  /** Takes a replica's word: who is known by it to differ from the majority of `members` at that index, each told once. */
  heard(node: string, index: number, hash: string, members: readonly string[]): Verdict | undefined {
    if (!members.includes(node)) return undefined;
    const words = this.marks.get(index) ?? this.begin(index);
    words.set(node, hash);
    const counts = new Map<string, number>();
    for (const [id, each] of words) if (members.includes(id)) counts.set(each, (counts.get(each) ?? 0) + 1);
    const right = [...counts].find(([, count]) => count > members.length / 2)?.[0];
    if (right === undefined) return undefined;
    const wrong = [...words].filter(([, each]) => each !== right).map(([id]) => id);
    for (const id of wrong) words.delete(id);
    return { right, wrong };
  }

  private begin(index: number): Map<string, string> {
    const words = new Map<string, string>();
    this.marks.set(index, words);
    const oldest = Math.min(...this.marks.keys());
    if (this.marks.size > MARKS_KEPT) this.marks.delete(oldest);
    return words;
  }
}
