// Owns: how old a replica's state is, for callers that read without asking the leader: how long ago a leader spoke of a commit index that
// is applied here.
// (F1) A leader knows what is committed once it has committed an entry of its own term; before that its word says nothing.

type Told = { readonly commit: number; readonly term: number; readonly atMs: number };

export class Freshness {
  private freshMs = Number.NEGATIVE_INFINITY;
  /** The word that waits for its index to be applied. */
  private told: Told | undefined;

  /** The leader of the present term said that the log is committed up to `commit`. */
  heard(commit: number, term: number, nowMs: number): void {
    this.told ??= { commit, term, atMs: nowMs };
  }

  /** `termOf`: the term of an entry of the log. */
  applied(appliedIndex: number, termOf: (index: number) => number | undefined): void {
    const { told } = this;
    if (!told || told.commit > appliedIndex) return;
    if (termOf(told.commit) === told.term) this.freshMs = told.atMs;
    this.told = undefined;
  }

  ageMs(nowMs: number): number {
    return nowMs - this.freshMs;
  }
}
