// The chatroom's page: one WebSocket, no cursor. It asks for the history whenever it has connected.
import { Client, Outstanding } from '../world.mjs';

const HISTORY = 200;
const REFUSED = ['unavailable', 'busy', 'refused', 'rate', 'muted', 'conflict'];

export class Page extends Client {
  constructor(world, seat, name) {
    super(world, name, seat.roomId);
    this.seat = seat;
  }

  session() {
    const { roomId, nickId } = this.seat;
    const ws = this.world.dial(`/?roomId=${roomId}&nickId=${nickId}`);
    this.ws = ws;
    this.members = undefined;
    this.held = []; // live, before the history is here
    const over = this.live(ws, {
      open: () => {
        this.opened();
        this.connected = false; // until it has the history
        this.askHistory();
      },
      message: (events) => events.forEach((event) => this.take(event)),
    });
    return over.then(() => this.release('early'));
  }

  askHistory() {
    this.ws.send(JSON.stringify({ type: 'query-logs', sendUserId: this.seat.nickId, sendRoom: this.seat.roomId }));
  }

  release(how) {
    const held = this.held ?? [];
    this.held = undefined;
    for (const { seq, log_content: text } of held) this.had(seq, text, how);
  }

  take({ type, data }) {
    if (type === 'members') this.members = data.map((member) => member.user_name);
    else if (type === 'logs') this.takeHistory(data);
    else if (type === 'error') this.takeError(data);
    else {
      if (this.held) this.held.push(data);
      else this.had(data.seq, data.log_content);
      this.heardAgain(data);
    }
  }

  /** What it says comes back to it once it is stored. */
  heardAgain({ seq, log_content: text }) {
    if (text === this.said) this.answered?.({ what: 'ack', seq });
  }

  takeHistory(rows) {
    // Changes count among the latest, but are not shown.
    const reaches = rows.length < HISTORY && !this.amongChanges;
    if (this.last !== undefined && rows.length && !reaches && rows[0].seq > this.last + 1) this.lost();
    for (const row of rows) this.had(row.seq, row.log_content, 'history');
    this.release('live');
    this.connected = true;
  }

  takeError({ code, message, clientId }) {
    if (message.includes('history')) {
      setTimeout(() => this.ws.readyState === 1 && this.askHistory(), 200);
    } else {
      this.refuse({ what: REFUSED.includes(code) ? 'refused' : 'unknown', why: code }, clientId);
    }
  }

  refuse(answer) {
    this.answered?.(answer);
  }

  write(text, clientId) {
    this.ws.send(JSON.stringify({ type: 'message', content: text, sendUserName: this.seat.nick,
      sendUserId: this.seat.nickId, sendRoom: this.seat.roomId, clientId }));
  }

  say(text) {
    return this.ask(() => {
      this.said = text;
      this.write(text);
    });
  }
}

/** Does not wait for what it says to come back; a refusal names the frame by its id. */
export class HastyPage extends Page {
  outstanding = new Outstanding(this);

  heardAgain({ seq, log_content: text }) {
    if (this.outstanding.has(text)) this.outstanding.settle(text, { what: 'ack', seq });
  }

  refuse(answer, clientId) {
    this.outstanding.settle(clientId?.replaceAll('.', ' '), answer);
  }

  session() {
    return super.session().finally(() => this.outstanding.lose('connection ended'));
  }

  talkOn() {
    return this.outstanding.burst((text) => this.write(text, text.replaceAll(' ', '.')));
  }
}
