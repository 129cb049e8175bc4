// Native clients that wait for nothing: bursts of commands, dozens unanswered at once, each answer matched by its own
// id, in whatever order answers come. They also change and take back what they said. Whatever they do not know the
// outcome of, they say again under the same client id, on whichever connection comes next.
import { RECALLED } from '../checker.mjs';
import { LINES, Native, REFUSED } from './native.mjs';
import { Place, pause } from '../world.mjs';

const AT_ONCE = 40;
const NEVER = ['not_found', 'forbidden', 'conflict', 'denied', 'muted'];

export class Pipeliner extends Native {
  retries = true;
  open = new Map(); // text → the command as it is said, again and again until its outcome is known
  under = new Map(); // id on this connection → text
  own = []; // {room, seq} of what it said and knows to be stored

  welcome(answer) {
    this.under.clear();
    for (const command of this.open.values()) command.said = false;
    super.welcome(answer);
  }

  takeAnswer({ re, ok, seq, error, ...more }) {
    if (re === 1) return super.takeAnswer({ re, ok, error, seq, ...more });
    const text = this.under.get(re);
    if (text === undefined) {
      this.world.wrong(`${this.name}: an answer to ${re}, which it never said on this connection, or twice`);
      return;
    }
    this.under.delete(re);
    const command = this.open.get(text);
    const refused = !ok && (REFUSED.includes(error.code) || NEVER.includes(error.code));
    this.outcome(text, ok ? { what: 'ack', seq } : { what: refused ? 'refused' : 'unknown', why: error.code,
      final: NEVER.includes(error.code) || undefined });
    if (!command) return;
    if (ok && command.cmd === 'send') this.own.push({ room: command.room, seq });
    command.unknown ||= !ok && !refused;
    command.said = false;
    // Once unknown, a refusal says nothing of the first try: only an ok, or that it never can be, ends it.
    if (ok || NEVER.includes(error.code) || (!command.unknown && Math.random() < 0.5)) this.open.delete(text);
    else command.after = Date.now() + 50 + Math.random() * 300;
  }

  outcome(text, answer) {
    this.world.record({ ev: 'answer', by: this.name, text, ...answer });
  }

  gone(why) {
    for (const text of this.under.values()) {
      this.outcome(text, { what: 'unknown', why });
      const command = this.open.get(text);
      if (command) Object.assign(command, { said: false, unknown: true });
    }
    this.under.clear();
  }

  session() {
    return super.session().finally(() => this.gone('connection ended'));
  }

  command() {
    const text = this.world.text(this.name);
    const clientId = text.replaceAll(' ', '.');
    const of = this.own.length && Math.random() < 0.3 ? this.own.at(-1 - Math.floor(Math.random() * Math.min(5,
      this.own.length))) : undefined;
    if (of === undefined) return { cmd: 'send', room: this.pickRoom(), text, client_id: clientId, content: text };
    return Math.random() < 0.7 ? { cmd: 'edit', ...of, text, client_id: clientId, content: `${text} changed` }
      : { cmd: 'recall', ...of, text, client_id: clientId };
  }

  pickRoom() {
    return this.room;
  }

  say(command) {
    const { text, cmd, room, client_id: id, seq, content } = command;
    command.said = true;
    this.under.set(++this.ids, text);
    this.ws.send(JSON.stringify({ id: this.ids, cmd, room, client_id: id, seq, content }));
  }

  async talkOn() {
    const { world, name } = this;
    while (world.talking || (this.open.size && !world.over)) {
      if (this.connected && this.ws.readyState === 1) {
        for (const command of this.open.values()) if (!command.said && !(command.after > Date.now())) this.say(command);
        const burst = world.talking ? Math.floor(Math.random() * (AT_ONCE - this.open.size)) : 0;
        for (let i = 0; i < burst; i++) {
          const command = this.command();
          world.record({ ev: 'send', by: name, room: command.room, text: command.text, clientId: command.client_id });
          this.open.set(command.text, command);
          this.say(command);
        }
      }
      await pause(100 + Math.random() * 400);
    }
  }
}

/** One connection in several rooms, which it says things into at once: the answers of one room overtake those of another,
 *  and each room has its own cursor. */
export class Rover extends Pipeliner {
  /** seats: the same user's in each room. */
  constructor(world, seats, name) {
    super(world, seats[0], name);
    this.rooms = seats.map((seat) => Object.assign(new Place(world, name, seat.roomId), { seat }));
  }

  get places() {
    return this.rooms.map((place) => Object.assign(place, { nick: this.nick }));
  }

  pickRoom() {
    return this.rooms[Math.floor(Math.random() * this.rooms.length)].room;
  }

  resume() {
    return this.rooms.map(({ room, last, epoch }) => ({ room, presence: true, ...(last !== undefined && { epoch, seq: last }) }));
  }

  welcomed(answer) {
    for (const [i, place] of this.rooms.entries()) {
      const joined = answer.joined[i];
      if (joined.error) {
        this.trouble = joined.error.code;
        this.ws.terminate();
        return;
      }
      Object.assign(place, { ch: joined.ch, epoch: joined.epoch, members: undefined });
      if (joined.reset) place.lost();
      const after = joined.missed === undefined ? joined.seq : place.last;
      place.last = after;
      place.opened(after);
    }
    this.tries = 0;
    this.connected = true;
  }

  takeEvent({ ev, ch, seq, name, kind, content, members, recalled }) {
    const place = this.rooms.find((other) => other.ch === ch);
    if (!place) return;
    if (ev === 'message') place.had(seq, recalled ? RECALLED : kind in LINES ? name + LINES[kind] : content);
    else if (ev === 'edit' || ev === 'recall') place.last = Math.max(place.last ?? 0, seq);
    else if (ev === 'members') place.members = members.map((member) => member.name);
    else if (ev === 'reset') {
      place.lost();
      this.ws.terminate();
    }
  }
}
