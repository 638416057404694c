// Owns: the language of the plays in test/raft/plays: one command per line, run against a SimCluster. Nothing happens unless a line says
// so: messages fly until "deliver", "settle" or "wait"; a disk under "hold" keeps its write in flight until "land".
//
//   play 13 pre-vote shields           begins a new cluster; the number is the scenario's
//   nodes 3 learners=1 spare=1 window=2 bytes=1000 quota=1000    options of the cluster; nodes are 1, 2, 3, ...; the spare ones
//                     are there, but new: they start as joining nodes, and nobody sends to them before they are members
//   stored 1 terms=1,1,2 term=2 vote=1 commit=1 applied=0 base=0   what a node finds on its disk, before it starts; `base` is the last
//                     index dropped, of term 1
//   campaign 1        its clock jumps to the end of its election timeout        elect 1    campaign, settle, and be leader
//   tick 100 [1,2]    clocks move, nothing is delivered                         wait 100   clocks move and everything is delivered
//   deliver [1>2] [kind] | settle | drop [1>2] [kind] | again [1>2] [kind] (delivers a copy, the message stays)
//   cut 1 2 | cut 1>2 | isolate 1 | heal | lose 1>2 kind | lose nothing
//   hold 2 | land 2 | release 2 | crash 2 [landed] | restart 2 | wipe 2 (its disk is new, it is joining)
//   compact 1 4       its state is on disk, and its log drops everything up to 4
//   install 1 3       a snapshot of 1, as it is now, arrives at 3     install 1 3 no    3 has no use for it
//   install 1 3 down  3, which is down, had got it before
//   join 4,5          spare nodes start
//   change 1 voters=1,2,4 learners=5 [refused=change_pending]         snapshotfailed 1 3
//   propose 1 a b | propose 1 a refused=overloaded | read 1 7 | transfer 1 2 | unreachable 1 2 | stepdown 1 | applymax 20
//   message 2>1 vote term=3 lastIndex=0 lastTerm=0 transfer=false     a message made up here
//   unchecked         made-up messages will say what never was: the invariants are not checked
//   mark              forgets what was counted as sent
//   expect role|leader|term|vote|commit|durable|last|invalid 1[,2] value        expect log 1 1,1,2 (terms)     expect applied 1 a,b
//   expect voters 1 1,2,3 (joint: 1,2,3+1,4)   expect learners 1 4   expect first 1 5   expect named 1 3,3 (for a snapshot)
//   expect match|next|state|inflight 1 2 value   expect flying|sent 1>2 kind [n|<=n]   expect message 1>2 kind field=value
//   expect read 1 7 index|refused|waiting        expect one leader [1]           expect same logs      expect roles 1 a@1,b@2

import assert from "node:assert/strict";
import type { Entry, Message, NodeId } from "../../src/raft/types.ts";
import { utf8Bytes, utf8Text } from "../../src/base/bytes.ts";
import { type Flying, SimCluster, type SimNode } from "./cluster.ts";

type Words = readonly string[];
type Fields = ReadonlyMap<string, string>;

function split(words: Words): { plain: string[]; fields: Fields } {
  const plain: string[] = [];
  const fields = new Map<string, string>();
  for (const word of words) {
    const at = word.search(/(?<![<>])=/);
    if (at > 0) fields.set(word.slice(0, at), word.slice(at + 1));
    else plain.push(word);
  }
  return { plain, fields };
}

function numbers(list: string | undefined): number[] {
  return list === undefined || list === "" ? [] : list.split(",").map(Number);
}

function entriesOf(firstIndex: number, terms: readonly number[]): Entry[] {
  return terms.map((term, i) => ({ index: firstIndex + i, term, kind: "command", data: utf8Bytes(`e${firstIndex + i}t${term}`) }));
}

export class Play {
  private cluster = new SimCluster({ voters: [["1"]], learners: [] }, 1);
  private started = false;
  private lost: string[] = [];
  private readonly sentCounts = new Map<string, number>();

  run(line: string): void {
    const words = line.trim().split(/\s+/);
    const [verb, ...rest] = words as [string, ...string[]];
    const { plain, fields } = split(rest);
    if (verb === "nodes") return this.setUp(Number(plain[0]), fields);
    if (verb === "unchecked") {
      this.cluster.checked = false;
      return;
    }
    if (verb === "stored") return this.store(plain[0] as string, fields);
    this.startAll();
    if (verb === "expect") return this.expect(plain, fields);
    if (this.faults(verb, plain)) return;
    assert.ok(this.acts(verb, plain, fields), `unknown command ${verb}`);
  }

  private setUp(count: number, fields: Fields): void {
    const learners = Number(fields.get("learners") ?? 0);
    const spare = Number(fields.get("spare") ?? 0);
    const ids = Array.from({ length: count + learners + spare }, (_, i) => String(i + 1));
    const founders = { voters: [ids.slice(0, count)], learners: ids.slice(count, count + learners) };
    const options = {
      appendsInFlightMax: Number(fields.get("window") ?? 2),
      appendMaxBytes: Number(fields.get("bytes") ?? 1 << 20),
      uncommittedMaxBytes: Number(fields.get("quota") ?? 1 << 20),
      logCacheMaxBytes: Number(fields.get("cache") ?? 1 << 20),
      readsWaitingMax: Number(fields.get("reads") ?? 100),
    };
    this.cluster = new SimCluster(founders, Number(fields.get("seed") ?? 7), options, ids.slice(count + learners));
    this.cluster.passes = (flying) => this.passes(flying);
  }

  private passes({ from, to, message }: Flying): boolean {
    for (const key of [`${from}>${to} ${message.kind}`, `${from}>* ${message.kind}`]) {
      this.sentCounts.set(key, (this.sentCounts.get(key) ?? 0) + 1);
    }
    return !this.lost.includes(`${from}>${to} ${message.kind}`);
  }

  private store(ids: string, fields: Fields): void {
    for (const id of ids.split(",")) {
      const { store } = this.cluster.node(id);
      const base = Number(fields.get("base") ?? 0);
      store.base = { index: base, term: Math.min(1, base) };
      store.entriesStored = entriesOf(base + 1, numbers(fields.get("terms")));
      const term = Number(fields.get("term") ?? store.entriesStored.at(-1)?.term ?? 0);
      store.hardState = { term, vote: fields.get("vote") ?? "", commit: Number(fields.get("commit") ?? 0) };
      store.appliedIndex = Number(fields.get("applied") ?? base);
    }
  }

  private startAll(): void {
    if (this.started) return;
    this.started = true;
    for (const node of this.cluster.nodes.values()) if (!node.joining) this.cluster.start(node.id);
  }

  private node(id: string | undefined): SimNode {
    return this.cluster.node(id as NodeId);
  }

  private acts(verb: string, plain: Words, fields: Fields): boolean {
    const { cluster } = this;
    const node = plain[0] !== undefined && cluster.nodes.has(plain[0]) ? this.node(plain[0]) : undefined;
    if (verb === "campaign" || verb === "elect") this.campaign(this.node(plain[0]), verb === "elect");
    else if (verb === "tick") this.tick(Number(plain[0]), plain[1]);
    else if (verb === "wait") cluster.run(Number(plain[0]));
    else if (verb === "settle") cluster.settle();
    else if (verb === "deliver") for (const flying of this.take(plain, true)) cluster.deliver(flying);
    else if (verb === "again") for (const flying of this.take(plain, false)) cluster.deliver(flying);
    else if (verb === "drop") this.take(plain, true);
    else if (verb === "mark") this.sentCounts.clear();
    else if (verb === "applymax") cluster.applyMaxBytes = Number(plain[0]);
    else if (verb === "message") this.message(plain[0] as string, plain[1] as string, fields);
    else if (node === undefined) return false;
    else if (verb === "change") this.change(node, fields);
    else if (verb === "propose") this.propose(node, plain.slice(1), fields.get("refused"));
    else return this.calls(verb, node, plain[1] as string);
    return true;
  }

  private calls(verb: string, node: SimNode, argument: string): boolean {
    if (verb === "read") node.core.readIndex(Number(argument), node.nowMs);
    else if (verb === "transfer") node.core.transfer(argument, node.nowMs);
    else if (verb === "unreachable") node.core.unreachable(argument);
    else if (verb === "snapshotfailed") node.core.snapshotFailed(argument);
    else if (verb === "stepdown") node.core.stepDown(node.nowMs);
    else return false;
    this.cluster.pump(node);
    return true;
  }

  private faults(verb: string, plain: Words): boolean {
    const { cluster } = this;
    const id = plain[0] as string;
    if (verb === "cut") for (const link of plain.length === 2 ? [`${id}>${plain[1]}`, `${plain[1]}>${id}`] : [id]) cluster.cut.add(link);
    else if (verb === "isolate") for (const other of cluster.nodes.keys()) cluster.cut.add(`${id}>${other}`).add(`${other}>${id}`);
    else if (verb === "heal") cluster.cut.clear();
    else if (verb === "lose") this.lost = id === "nothing" ? [] : [...this.lost, plain.join(" ")];
    else if (verb === "hold") this.node(id).diskHeld = true;
    else if (verb === "land" || verb === "release") this.land(this.node(id), verb === "release");
    else if (verb === "crash") cluster.crash(id, plain[1] === "landed");
    else if (verb === "restart") cluster.start(id);
    else if (verb === "join") for (const one of id.split(",")) cluster.start(one);
    else if (verb === "wipe") cluster.wipe(id);
    else if (verb === "compact") this.compact(this.node(id), Number(plain[1]));
    else if (verb === "install") this.install(id, plain[1] as string, plain[2]);
    else return false;
    return true;
  }

  private compact(node: SimNode, to: number): void {
    assert.ok(this.cluster.checkpoint(node), `node ${node.id} cannot make a checkpoint now`);
    node.store.compact(to);
  }

  private install(from: NodeId, to: NodeId, how: string | undefined): void {
    assert.ok(this.cluster.checkpoint(this.node(from)), `node ${from} cannot make a checkpoint now`);
    if (how === "down") this.cluster.installed(from, to);
    else assert.equal(this.cluster.install(from, to), how !== "no", "whether the snapshot is of use");
  }

  private change(node: SimNode, fields: Fields): void {
    const ids = (list: string | undefined): string[] => (list === undefined || list === "" ? [] : list.split(","));
    const target = { voters: ids(fields.get("voters")), learners: ids(fields.get("learners")), places: new Map<NodeId, string>() };
    const answer = node.core.changeMembership(target, node.nowMs);
    assert.equal("refused" in answer ? answer.refused : undefined, fields.get("refused"), "change of the membership");
    this.cluster.pump(node);
  }

  private land(node: SimNode, release: boolean): void {
    if (release) node.diskHeld = false;
    if (!release || node.store.pending !== undefined) this.cluster.land(node);
    this.cluster.pump(node);
  }

  private campaign(node: SimNode, elect: boolean): void {
    const before = node.core.status().term;
    this.cluster.advance(node, Math.max(node.nowMs, node.core.nextDeadlineMs()));
    if (!elect) return;
    this.cluster.settle();
    assert.deepEqual([node.core.status().role, node.core.status().term], ["leader", before + 1], `node ${node.id} was not elected`);
  }

  private tick(ms: number, ids: string | undefined): void {
    const nodes = ids === undefined ? this.cluster.running : ids.split(",").map((id) => this.node(id));
    for (const node of nodes) this.cluster.advance(node, node.nowMs + ms);
  }

  /** Messages under way on a link ("1>2"), of a kind, or both. */
  private matching(plain: Words): Flying[] {
    const link = plain.find((word) => word.includes(">"));
    const kind = plain.find((word) => !word.includes(">"));
    const fits = (flying: Flying) => link === undefined || link === `${flying.from}>${flying.to}` || link === `${flying.from}>*`;
    return this.cluster.flying.filter((flying) => fits(flying) && (kind === undefined || flying.message.kind === kind));
  }

  private take(plain: Words, away: boolean): Flying[] {
    const chosen = this.matching(plain);
    assert.ok(chosen.length > 0, "no such message is under way");
    if (away) this.cluster.flying = this.cluster.flying.filter((flying) => !chosen.includes(flying));
    return chosen;
  }

  private propose(node: SimNode, texts: Words, refused: string | undefined): void {
    for (const text of texts) {
      const answer = node.core.propose(utf8Bytes(text), node.nowMs);
      assert.equal("refused" in answer ? answer.refused : undefined, refused, `proposal ${text}`);
      this.cluster.pump(node);
    }
  }

  private message(link: string, kind: string, fields: Fields): void {
    const [from, to] = link.split(">") as [string, string];
    const values: Record<string, unknown> = { kind };
    for (const [name, value] of fields) {
      if (name === "entries") values[name] = entriesOf(Number(fields.get("prevIndex")) + 1, numbers(value));
      else values[name] = value === "true" || value === "false" ? value === "true" : Number(value);
    }
    if (kind === "append") values["entries"] ??= [];
    this.cluster.deliver({ from, to, message: values as Message });
  }

  private expect(plain: Words, fields: Fields): void {
    const [subject, ...rest] = plain as [string, ...string[]];
    if (subject === "one") return this.expectOneLeader(rest[1]);
    if (subject === "same") return this.expectSameLogs();
    if (subject === "flying" || subject === "sent") return this.expectCount(subject, rest);
    if (subject === "message") return this.expectMessage(rest, fields);
    const value = rest.at(-1) as string;
    for (const id of (rest[0] as string).split(",")) assert.equal(this.show(subject, this.node(id), rest), value, `${subject} of ${id}`);
  }

  private show(subject: string, node: SimNode, rest: Words): string {
    const status = node.core.status();
    const { role, term, vote, commit } = status;
    const peer = status.peers.find((one) => one.id === rest[1]);
    const simple: Record<string, unknown> = {
      role,
      term,
      vote: vote || "none",
      commit,
      leader: status.leader ?? "none",
      durable: status.durableIndex,
      last: status.lastIndex,
      invalid: status.invalidMessages,
      match: peer?.match,
      next: peer?.next,
      state: peer?.state,
      inflight: peer?.inFlight,
      roles: node.roles.join(","),
      transferring: status.transferringTo ?? "none",
      first: status.firstIndex,
      voters: node.core.membership().membership.voters.map((set) => set.join(",")).join("+") || "none",
      learners: node.core.membership().membership.learners.join(",") || "none",
      named: node.snapshots.join(",") || "none",
    };
    const commands = node.appliedEntries.filter(({ kind }) => kind === "command");
    if (subject === "log") return Array.from({ length: status.lastIndex }, (_, i) => node.core.term(i + 1) ?? "x").join(",") || "empty";
    if (subject === "applied") return commands.map((entry) => utf8Text(entry.data)).filter(Boolean).join(",") || "nothing";
    if (subject === "read") return this.showRead(node, Number(rest[1]));
    assert.ok(subject in simple, `nothing is known of ${subject}`);
    return String(simple[subject]);
  }

  private showRead(node: SimNode, context: number): string {
    const answers = node.reads.filter((read) => read.context === context);
    assert.ok(answers.length <= 1, "a read was answered twice");
    const answer = answers[0];
    return answer === undefined ? "waiting" : "refused" in answer ? "refused" : String(answer.index);
  }

  private expectOneLeader(id: string | undefined): void {
    const leaders = this.cluster.leaders();
    assert.equal(leaders.length, 1, "exactly one leader");
    if (id !== undefined) assert.equal(leaders[0]?.id, id);
    for (const node of this.members()) assert.equal(node.core.status().leader, leaders[0]?.id, `leader as seen by ${node.id}`);
  }

  /** What one of them has dropped is not compared. */
  private expectSameLogs(): void {
    const members = this.members();
    const from = Math.max(...members.map((node) => node.core.status().firstIndex));
    const shown = members.map(({ core }) => {
      const { lastIndex, commit } = core.status();
      return `${Array.from({ length: lastIndex - from + 1 }, (_, i) => core.term(from + i)).join()} commit ${commit}`;
    });
    assert.equal(new Set(shown).size, 1, `logs differ from ${from} on:\n${shown.join("\n")}`);
  }

  /** Running nodes that the leader takes for members; all while there is none. */
  private members(): SimNode[] {
    const membership = this.cluster.leaders()[0]?.core.membership().membership;
    if (membership === undefined) return this.cluster.running;
    return this.cluster.running.filter(({ id }) => [...membership.voters.flat(), ...membership.learners].includes(id));
  }

  private expectCount(subject: string, rest: Words): void {
    const [link, kind, wanted] = rest as [string, string, string];
    const count = subject === "sent" ? (this.sentCounts.get(`${link} ${kind}`) ?? 0) : this.matching([link, kind]).length;
    if (wanted.startsWith("<=")) assert.ok(count <= Number(wanted.slice(2)), `${count} of ${kind}, expected ${wanted}`);
    else assert.equal(count, Number(wanted), `${kind} ${subject} on ${link}`);
  }

  private expectMessage(rest: Words, fields: Fields): void {
    const found = this.matching(rest).map(({ message }) => new Map(Object.entries(message)));
    const fits = found.some((message) => {
      for (const [name, wanted] of fields) {
        const value = message.get(name);
        const shown = Array.isArray(value) ? value.length : value;
        if (String(shown) !== wanted) return false;
      }
      return true;
    });
    assert.ok(fits, `no such message among ${JSON.stringify(found.map((message) => Object.fromEntries(message)))}`);
  }
}
