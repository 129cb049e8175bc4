// The native protocol: one connection with a cursor and client ids. It comes back with the cursor, and says again what
// it does not know the outcome of.
import { Client } from '../world.mjs';

import { RECALLED } from '../checker.mjs';

export const LINES = { join: ' 进入了房间', leave: ' 离开了房间' };
export const REFUSED = ['unavailable', 'busy', 'rate', 'not_hello'];

export class Native extends Client {
  retries = true;

  constructor(world, seat, name) {
    super(world, name, seat.roomId);
    this.seat = seat;
  }

  session() {
    const ws = this.world.dial('/v1', 'chaguan.v1');
    this.ws = ws;
    this.ids = 1;
    this.members = undefined;
    return this.live(ws, {
      open: () =>
        ws.send(JSON.stringify({ id: 1, cmd: 'hello', ...this.proof(),
          resume: this.resume() })),
      message: (frame) => ('re' in frame ? this.takeAnswer(frame) : this.takeEvent(frame)),
    });
  }

  /** Who it is. */
  proof() {
    return { user: this.seat.nickId };
  }

  /** Where it goes on. */
  resume() {
    return [{ room: this.room, presence: true, ...(this.last !== undefined && { epoch: this.epoch, seq: this.last }) }];
  }

  putBack() {} // its cursor tells

  welcome({ ok, error, ...answer }) {
    if (ok) {
      this.welcomed(answer);
      return;
    }
    this.trouble = error.code;
    this.ws.terminate();
  }

  welcomed({ joined: [joined] }) {
    if (joined.error) {
      this.trouble = joined.error.code;
      this.ws.terminate();
      return;
    }
    this.epoch = joined.epoch;
    this.ch = joined.ch;
    if (joined.reset) this.lost();
    const after = joined.missed === undefined ? joined.seq : this.last;
    this.last = after;
    this.opened(after);
  }

  takeAnswer({ re, ok, seq, error, ...more }) {
    if (re === 1) this.welcome({ ok, error, ...more });
    else if (re !== this.ids) return; // too late: it was said again
    else if (ok) this.answered?.({ what: 'ack', seq });
    else this.answered?.({ what: REFUSED.includes(error.code) ? 'refused' : 'unknown', why: error.code });
  }

  takeEvent({ ev, ch, seq, name, kind, content, members, recalled }) {
    if (ev === 'message') this.had(seq, recalled ? RECALLED : kind in LINES ? name + LINES[kind] : content);
    else if (ev === 'edit' || ev === 'recall') this.last = Math.max(this.last ?? 0, seq);
    else if (ev === 'members') this.members = members.map((member) => member.name);
    else if (ev === 'reset' && ch === this.ch) {
      this.lost();
      this.ws.terminate();
    }
  }

  say(text, clientId) {
    const asked = this.ask(() =>
      this.ws.send(JSON.stringify({ id: ++this.ids, cmd: 'send', room: this.room, client_id: clientId,
        content: text })));
    const id = this.ids;
    const timer = setTimeout(() => id === this.ids && this.answered?.({ what: 'unknown', why: 'no patience' }),
      500 + Math.random() * 4000);
    return asked.finally(() => clearTimeout(timer));
  }
}
