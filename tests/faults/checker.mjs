// Judges a recorded history of what clients did and saw, beside the rows that the database holds in the end. It knows
// no server, no client and no clock: only lines, each an object with `ev`:
//
//   send     {by, room, text, clientId?}          somebody wants this said; the text occurs nowhere else
//   answer   {by, text, what, seq?, why?, final?} one per try: `ack`, `refused` (surely not stored) or `unknown`;
//                                                 final: so that no earlier try is stored either
//   open     {reader, room, after?, skips?, only?} a connection begins, from a cursor if it has one; skips: a
//                                                 sender whose messages this reader is not shown; only: the kind (`is` of
//                                                 a row) that it is shown
//   deliver  {reader, room, seq, text, how}       `live`; `early`: live, before the history of a new
//                                                 connection was there; `history`: asked for
//   reset    {reader, room}                       the reader was told that its place is void: what was
//                                                 between is not missed
//   end      {reader, room}                       it was still there in the end, and everything has come to rest
//   saw      {room, seq, text, where}             somebody else read it: a client of the database
//   row      {room, seq, text, sender, clientId?, some?, now?, is?}   stored; some: only some readers are shown it; now:
//                                                 what it was changed to since
//   counter  {room, seq}                          the number of the room's last row
//   claim    {by?, kind, key, what, value?, why?} somebody asked for something to be, and was answered so: `ack`, with what
//                                                 there is from now on, `refused` or `unknown`
//   fact     {kind, key, value}                   it is there
//   mark     {key, seq, what, now?}               a read marker was to be moved to seq; now: where it is, as was answered
//   marked   {key, seq}                           where it is
//   frame    {by, room, text}                     somebody said this to who is there just now: it is not kept
//   heard    {reader, room, text}                 and somebody heard it; reader: a connection
//   inside   {room, names}                        who is there, in truth
//   present  {room, names, where}                 who is there, as somebody was told
//   wrong    {what}                               something else that must not be: passed on
import fs from 'node:fs';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What stands in the place of a message that was taken back. */
export const RECALLED = '消息已撤回';

/** Why nothing is known of a message, where the protocol acknowledges none. */
export const UNANSWERED = 'never acknowledged';

const grouped = (list, key) => {
  const groups = new Map();
  for (const item of list) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
};

const short = (value) => JSON.stringify(value)?.slice(0, 200);

/** Whether a message that was changed may have been shown so: as it was said, or as it is or was meanwhile. */
const isOf = (row, text) => row.now !== undefined && (text === RECALLED || text.endsWith(' changed'));

class Judge {
  violations = [];

  constructor(history) {
    this.of = { send: [], answer: [], open: [], deliver: [], reset: [], end: [], row: [], counter: [], inside: [],
      present: [], wrong: [], fault: [], saw: [], claim: [], fact: [], mark: [], marked: [], frame: [], heard: [] };
    for (const line of history) this.of[line.ev]?.push(line);
    this.reading = history.filter((line) => ['open', 'deliver', 'reset', 'end'].includes(line.ev)); // in order
    this.rows = new Map(); // room → Map(seq → row)
    for (const [room, rows] of grouped(this.of.row, (row) => row.room))
      this.rows.set(room, new Map(rows.map((row) => [row.seq, row])));
    this.byText = grouped(this.of.row, (row) => row.text);
  }

  say(rule, detail) {
    this.violations.push(`${rule}: ${detail}`);
  }

  /** Numbers without a hole, no client id twice, each counter the last number. */
  rowsAreWhole() {
    for (const [room, rows] of grouped(this.of.row, (row) => row.room)) {
      const seqs = rows.map((row) => row.seq).sort((a, b) => a - b);
      seqs.forEach((seq, i) => {
        if (i && seq === seqs[i - 1]) this.say('number twice', `${room} ${seq}`);
        if (i && seq > seqs[i - 1] + 1) this.say('hole in the numbers', `${room} ${seqs[i - 1]} to ${seq}`);
      });
      const counter = this.of.counter.find((line) => line.room === room);
      if (counter && counter.seq !== seqs.at(-1))
        this.say('counter', `${room} counts ${counter.seq}, its last row is ${seqs.at(-1)}`);
    }
    for (const [id, rows] of grouped(this.of.row.filter((row) => row.clientId),
      (row) => `${row.room} ${row.sender} ${row.clientId}`)) {
      if (rows.length > 1) this.say('client id twice', `${id} at ${rows.map((row) => row.seq)}`);
    }
  }

  /** Acknowledged ⊆ stored, once; refused is not stored; every try has an answer, every client id an outcome. */
  sendsHaveOutcomes() {
    const answers = grouped(this.of.answer, (line) => line.text);
    for (const send of this.of.send) {
      const own = answers.get(send.text) ?? [];
      const rows = this.byText.get(send.text) ?? [];
      const acks = own.filter((answer) => answer.what === 'ack');
      const name = `${send.by} ${short(send.text)}`;
      if (rows.length > 1) this.say('stored twice', `${name} at ${rows.map((row) => `${row.room} ${row.seq}`)}`);
      if (acks.length && !rows.length) this.say('acknowledged, not stored', name);
      const refused = own.length &&
        (own.some((answer) => answer.final) || own.every((answer) => answer.what === 'refused'));
      if (refused && rows.length)
        this.say('refused, but stored', `${name} at ${rows[0].seq} (${own[0].why})`);
      if (!own.length) this.say('a try without an answer', name);
      else if (send.clientId && !acks.length && !refused)
        this.say('no outcome', `${name}: ${own.map((answer) => answer.why ?? answer.what)}`);
      for (const ack of acks) {
        if (ack.seq !== undefined && rows.length === 1 && ack.seq !== rows[0].seq)
          this.say('acknowledged with another number', `${name}: ${ack.seq}, stored as ${rows[0].seq}`);
      }
      if (rows.length && rows[0].room !== send.room)
        this.say('stored elsewhere', `${name}: ${rows[0].room} instead of ${send.room}`);
      if (rows.length && send.clientId && rows[0].clientId !== undefined && rows[0].clientId !== send.clientId)
        this.say('stored under another client id', name);
    }
    const texts = new Set(this.of.send.map((send) => send.text));
    for (const answer of this.of.answer)
      if (!texts.has(answer.text)) this.say('answered, never sent', short(answer.text));
  }

  /** Nothing is shown that is not stored, and everybody is shown the same. */
  deliveriesAreStored() {
    for (const { reader, room, seq, text } of this.of.deliver) {
      const row = this.rows.get(room)?.get(seq);
      if (!row) this.say('delivered, not stored', `${reader} ${room} ${seq} ${short(text)}`);
      else if (row.text !== text && !isOf(row, text))
        this.say('delivered otherwise than stored',
          `${reader} ${room} ${seq} ${short(text)} instead of ${short(row.text)}`);
    }
  }

  /** Whatever anybody was ever shown under a number is one message, and it is the one that is stored. */
  numbersMeanOneMessage() {
    const shown = new Map();
    for (const { room, seq, text, reader, where } of [...this.of.deliver, ...this.of.saw]) {
      const row = this.rows.get(room)?.get(seq);
      if (row?.now !== undefined) continue; // it has changed, as its author wanted
      const key = `${room} ${seq}`;
      const first = shown.get(key);
      if (first === undefined) shown.set(key, text);
      else if (first !== text)
        this.say('number shown as two messages', `${key}: ${short(first)}, and ${short(text)} to ${reader ?? where}`);
    }
    for (const { room, seq, text, where } of this.of.saw) {
      const row = this.rows.get(room)?.get(seq);
      if (!row || (row.text !== text && !isOf(row, text)))
        this.say('seen, not stored', `${where} ${room} ${seq} ${short(text)} instead of ${short(row?.text)}`);
    }
  }

  /** Each connection's live events follow each other, from its cursor on; each reader has everything between its first
   *  and last. */
  readersMissNothing() {
    for (const [key, lines] of grouped(this.reading, (line) => `${line.reader} ${line.room}`))
      new Reader(this, key, lines).judge();
  }

  /** What was answered of each thing that was asked for is what there is; of several who asked for one, each. */
  claimsAreTrue() {
    const facts = grouped(this.of.fact, ({ kind, key }) => `${kind} ${key}`);
    for (const [name, claims] of grouped(this.of.claim, ({ kind, key }) => `${kind} ${key}`)) {
      const there = facts.get(name) ?? [];
      const acks = claims.filter(({ what }) => what === 'ack');
      if (there.length > 1) this.say('there twice', `${name}: ${there.map(({ value }) => value)}`);
      if (acks.length && !there.length) this.say('granted, but not there', name);
      for (const { value } of acks)
        if (there.length && value !== undefined && there[0].value !== value)
          this.say('granted as something else', `${name}: ${value}, but it is ${there[0].value}`);
      if (there.length && claims.every(({ what }) => what === 'refused'))
        this.say('refused, but there', `${name} (${claims[0].why})`);
    }
  }

  /** A marker is at least where an answer said that it is, and no further than somebody may have moved it. */
  markersAreTrue() {
    for (const [key, marks] of grouped(this.of.mark, (mark) => mark.key)) {
      const { seq } = this.of.marked.find((line) => line.key === key) ?? {};
      if (seq === undefined) continue;
      const told = Math.max(0, ...marks.filter(({ what }) => what === 'ack').map(({ now }) => now));
      const perhaps = Math.max(told, ...marks.filter(({ what }) => what === 'unknown').map((mark) => mark.seq));
      if (seq < told) this.say('marker lost', `${key} is at ${seq}, it was said to be at ${told}`);
      if (seq > perhaps) this.say('marker moved, but refused', `${key} is at ${seq}, at most ${perhaps} was granted`);
    }
  }

  /** What is not kept is heard by nobody who was not sent it, and on one connection once. */
  framesAreSaid() {
    const said = new Set(this.of.frame.map(({ room, text }) => `${room} ${text}`));
    const heard = new Set();
    for (const { reader, room, text } of this.of.heard) {
      if (!said.has(`${room} ${text}`)) this.say('heard, but never said', `${reader} ${room} ${short(text)}`);
      if (heard.has(`${reader} ${text}`)) this.say('heard twice', `${reader} ${room} ${short(text)}`);
      heard.add(`${reader} ${text}`);
    }
  }

  presenceIsTrue() {
    for (const { room, names, where } of this.of.present) {
      const truth = this.of.inside.find((line) => line.room === room);
      if (!truth) continue;
      const ghosts = names.filter((name) => !truth.names.includes(name));
      const missing = truth.names.filter((name) => !names.includes(name));
      if (ghosts.length) this.say('shown as present, but gone', `${room} ${where}: ${ghosts}`);
      if (missing.length) this.say('present, but not shown', `${room} ${where}: ${missing}`);
      if (new Set(names).size !== names.length) this.say('present twice', `${room} ${where}`);
    }
  }

  judge() {
    this.rowsAreWhole();
    this.sendsHaveOutcomes();
    this.deliveriesAreStored();
    this.numbersMeanOneMessage();
    this.readersMissNothing();
    this.claimsAreTrue();
    this.markersAreTrue();
    this.framesAreSaid();
    this.presenceIsTrue();
    for (const { what } of this.of.wrong) this.say('wrong', what);
    return this.violations;
  }
}

/** One reader's lines of one room. */
class Reader {
  constructor(judge, key, lines) {
    this.report = (rule, detail) => judge.say(rule, `${key}: ${detail}`);
    this.lines = lines;
    const skips = new Set(lines.filter((line) => line.skips).map((line) => line.skips));
    const only = lines.find((line) => line.only)?.only;
    const all = [...(judge.rows.get(lines[0].room)?.values() ?? [])];
    this.shown = all.filter((row) => !row.some && !skips.has(row.sender) && (!only || row.is === only)).map((row) => row.seq).sort((a, b) => a - b);
    this.place = new Map(this.shown.map((seq, i) => [seq, i]));
    this.had = new Set(); // since the last reset
    this.last = 0; // the highest of them
    this.seen = new Set(); // live, ever
  }

  /** The first number after `seq` that this reader must be shown. */
  next(seq) {
    let low = 0;
    let high = this.shown.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.shown[middle] > seq) high = middle;
      else low = middle + 1;
    }
    return this.shown[low];
  }

  opened(line) {
    this.cursor = line.after;
    this.resumes = line.after !== undefined;
    if (line.after < this.last) this.report('resumed behind itself', `from ${line.after}, but it had ${this.last}`);
    this.last = Math.max(this.last, line.after ?? 0);
  }

  live({ seq }) {
    if (!this.place.has(seq)) return; // for some readers only, or not stored, which is said elsewhere
    if (this.cursor !== undefined) {
      const wanted = this.next(this.cursor);
      if (seq <= this.cursor)
        this.report(this.place.has(this.cursor) && seq === this.cursor ? 'delivered twice' : 'out of order',
          `${seq} after ${this.cursor}`);
      else if (seq !== wanted) this.report('gap', `${seq} after ${this.cursor}, ${wanted} was left out`);
    }
    if (this.resumes && this.seen.has(seq)) this.report('delivered twice', `${seq}`);
    this.seen.add(seq);
    this.cursor = Math.max(seq, this.cursor ?? 0);
  }

  take({ seq }) {
    this.had.add(seq);
    this.last = Math.max(this.last, seq);
  }

  /** The stretch since the last reset has no hole. */
  close() {
    if (!this.had.size) return;
    let first = Infinity;
    for (const seq of this.had) first = Math.min(first, seq);
    for (let at = this.next(first - 1); at !== undefined && at <= this.last; at = this.next(at)) {
      if (!this.had.has(at)) this.report('never seen', `${at} between ${first} and ${this.last}`);
    }
    this.had = new Set();
  }

  judge() {
    for (const line of this.lines) {
      if (line.ev === 'open') this.opened(line);
      else if (line.ev === 'reset') {
        this.close();
        this.cursor = undefined;
        this.last = 0;
      } else if (line.ev === 'end') {
        const wanted = this.next(this.last);
        if (wanted !== undefined) this.report('not caught up', `has ${this.last}, the last is ${this.shown.at(-1)}`);
      } else {
        if (line.how !== 'history') this.live(line);
        if (line.how !== 'early') this.take(line);
      }
    }
    this.close();
  }
}

/** What is wrong, as texts that begin with the rule's name; empty if nothing. */
export const check = (history) => new Judge(history).judge();

/** How much of what there was. */
export function figures(history) {
  const count = (ev, match = () => true) => history.filter((line) => line.ev === ev && match(line)).length;
  const readers = grouped(history.filter((line) => line.ev === 'open'), (line) => `${line.reader} ${line.room}`);
  return {
    messages: count('send'), stored: count('row'), acknowledged: count('answer', (line) => line.what === 'ack'),
    refused: count('answer', (line) => line.what === 'refused'),
    timeouts: count('answer', (line) => line.what === 'unknown' && line.why !== UNANSWERED),
    deliveries: count('deliver'), frames: count('frame'), faults: count('fault'),
    calls: count('claim') + count('mark'), answers: count('answer') + count('claim') + count('mark'),
    connections: count('open'), reconnects: count('open') - readers.size,
    resumed: count('open', (line) => line.after !== undefined), resets: count('reset'),
  };
}

export async function readHistory(file) {
  const history = [];
  for await (const line of readline.createInterface({ input: fs.createReadStream(file) }))
    if (line) history.push(JSON.parse(line));
  return history;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const history = await readHistory(process.argv[2]);
  const violations = check(history);
  console.log(JSON.stringify(figures(history)));
  for (const violation of violations) console.log(violation);
  console.log(violations.length ? `${violations.length} violations` : 'nothing wrong');
  process.exitCode = violations.length ? 1 : 0;
}
