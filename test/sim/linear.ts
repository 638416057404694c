// Owns: the check that what callers of the API saw of one job could have happened one after another, each call at some moment between
// its begin and its end (linearizability: Herlihy and Wing, 1990). Jobs are checked one by one, which is enough since linearizability
// is local. The search is Wing and Gong's with Lowe's memory of (calls done, state) that lead nowhere.
// (N1) A call whose outcome nobody knows may take effect at any time after its begin, or never.
// (N2) The model knows what callers decide: which revision, whose description, paused or not, deleted or not. What becomes of a job
//      by itself (a one-shot ends) shows only in that it takes no further changes.

/** What a read shows of a job. `gone`: its status is "cancelled". */
export type Seen = { readonly revision: number; readonly tag: string; readonly paused: boolean; readonly gone: boolean };

export type Call = {
  readonly kind: "create" | "update" | "pause" | "resume" | "cancel" | "trigger" | "read";
  /** Of a create or update: the description that it writes. */
  readonly tag?: string;
  readonly paused?: boolean;
  readonly beganMs: number;
  /** Infinity while nobody knows whether it happened. */
  readonly endedMs: number;
  /** Of a read; undefined when there was no such job. */
  readonly seen?: Seen | undefined;
  /** The answer was "no such job". */
  readonly refused?: boolean;
  /** Who asked whom, for the report. */
  readonly who: string;
};

type State = Seen | undefined;

/** What is left of a job after a call; "impossible" when the call cannot have had this answer in this state. */
function after(state: State, call: Call, mayEnd: boolean): State | "impossible" {
  if (call.kind === "read") return agrees(state, call.seen, mayEnd) ? state : "impossible";
  const isThere = state !== undefined && !state.gone;
  if (call.refused === true) return isThere && !mayEnd ? "impossible" : state;
  if (call.kind === "create") {
    return !isThere ? { revision: 1, tag: call.tag ?? "", paused: call.paused ?? false, gone: false } : "impossible";
  }
  if (!isThere) return "impossible";
  switch (call.kind) {
    case "update":
      return { ...state, revision: state.revision + 1, tag: call.tag ?? "" };
    case "pause":
      return { ...state, revision: state.revision + 1, paused: true };
    case "resume":
      return { ...state, revision: state.revision + 1, paused: false };
    case "cancel":
      return { ...state, gone: true };
    case "trigger":
      return state;
  }
}

function agrees(state: State, seen: Seen | undefined, mayEnd: boolean): boolean {
  if (state === undefined || seen === undefined) return state === seen;
  const same = state.revision === seen.revision && state.tag === seen.tag && state.paused === seen.paused;
  // A one-shot whose execution was cancelled is shown as a deleted job is.
  return same && (state.gone === seen.gone || (mayEnd && seen.gone));
}

type Step = { readonly at: number; readonly state: State };

/** So many dead ends are looked at; a history with more (many calls of unknown outcome) is left undecided. */
const DEAD_ENDS_MAX = 50_000;

/** One way in which all calls fit, by their positions; undefined when there is none, and none of them when nobody knows in time. */
export function linearize(calls: readonly Call[], mayEnd: boolean): number[] | undefined {
  const order = calls.map((_, at) => at).sort((a, b) => (calls[a] as Call).beganMs - (calls[b] as Call).beganMs);
  const done = new Uint8Array(calls.length);
  const dead = new Set<string>();
  const path: Step[] = [];
  let state: State;
  let from = 0;
  for (;;) {
    const next = from < 0 ? undefined : candidate(calls, order, done, state, mayEnd, from, dead);
    if (next === "complete") return path.map((step) => order[step.at] as number);
    if (next !== undefined) {
      path.push({ at: next.at, state });
      done[next.at] = 1;
      state = next.state;
      from = 0;
      continue;
    }
    dead.add(keyOf(done, state));
    if (dead.size > DEAD_ENDS_MAX) return [];
    const last = path.pop();
    if (last === undefined) return undefined;
    done[last.at] = 0;
    state = last.state;
    from = last.at + 1;
  }
}

/** The next call, from position `from` in the order of begins on, that may come now and leads to a state that is not known as dead. */
function candidate(
  calls: readonly Call[],
  order: readonly number[],
  done: Uint8Array,
  state: State,
  mayEnd: boolean,
  from: number,
  dead: ReadonlySet<string>,
): { readonly at: number; readonly state: State } | "complete" | undefined {
  let firstEndMs = Number.POSITIVE_INFINITY;
  for (let at = 0; at < order.length; at++) {
    if (done[at] === 0) firstEndMs = Math.min(firstEndMs, (calls[order[at] as number] as Call).endedMs);
  }
  // What is left has no known outcome, and need not have happened (N1).
  if (firstEndMs === Number.POSITIVE_INFINITY) return "complete";
  for (let at = from; at < order.length; at++) {
    const call = calls[order[at] as number] as Call;
    if (call.beganMs > firstEndMs) return undefined;
    if (done[at] === 1) continue;
    const next = after(state, call, mayEnd);
    if (next === "impossible") continue;
    done[at] = 1;
    const isDead = dead.has(keyOf(done, next));
    done[at] = 0;
    if (!isDead) return { at, state: next };
  }
  return undefined;
}

function keyOf(done: Uint8Array, state: State): string {
  const told = state === undefined ? "" : `${state.revision}/${state.tag}/${state.paused}/${state.gone}`;
  return `${told}|${Buffer.from(done).toString("latin1")}`;
}

/** The calls as text, for a report. */
export function tell(calls: readonly Call[]): string {
  const told = [...calls].sort((a, b) => a.beganMs - b.beganMs).map((call) => {
    const { kind, beganMs, endedMs, seen, who, refused, tag } = call;
    const saw = `saw ${seen === undefined ? "nothing" : JSON.stringify(seen)}`;
    const what = kind === "read" ? saw : `${tag ?? ""}${refused ? " refused" : ""}`;
    return `  ${beganMs.toFixed(1)} to ${endedMs.toFixed(1)} ${who}: ${kind} ${what}`;
  });
  return told.join("\n");
}
