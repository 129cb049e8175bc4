// conversation.js: one conversation as the application sees it. It owns the cursor: each numbered event is told once, in
// order, with none left out; what is missing is read from the history, and what cannot be had is told as a reset.
import { ChaguanError, Emitter } from './util.js';

const MISSED_MAX = 1000; // as the server does: past it the application pages
const PAGE = 200;

export class Conversation extends Emitter {
  constructor(client, id) {
    super();
    Object.defineProperty(this, 'client', { value: client });
    Object.assign(this, { id, ch: undefined, cursor: undefined, marker: undefined, joined: false });
    Object.defineProperty(this, 'inner', { value: { wants: false, presence: false, due: 0, filling: false, joins: [] } });
  }

  // ---- listening ----

  /** Listens, from the cursor on if one is given. Settles when the server has answered; again after `leave`. */
  join({ cursor, presence = false } = {}) {
    const { inner } = this;
    if (cursor) this.cursor = { epoch: cursor.epoch, seq: cursor.seq };
    inner.presence ||= presence;
    return new Promise((resolve, reject) => {
      inner.joins.push({ resolve, reject });
      inner.wants = true;
      this.sit();
    });
  }

  leave() {
    const { inner } = this;
    inner.wants = inner.presence = this.joined = false;
    this.fail(new ChaguanError('left'));
    this.client.post({ t: 'unseat', room: this.id });
  }

  sit() {
    const { inner, cursor } = this;
    if (inner.wants) this.client.post({ t: 'seat', room: this.id, cursor, presence: inner.presence });
  }

  fail(error) {
    for (const { reject } of this.inner.joins.splice(0)) reject(error);
  }

  /** The connection listens: events come from `from` on. */
  seated({ ch, epoch, from, seq, read, trimmed }) {
    const { inner, cursor: was } = this;
    if (!inner.wants) return;
    Object.assign(this, { ch, marker: read, joined: true });
    const missed = was ? seq - was.seq : 0;
    const isLost = was && (was.epoch !== epoch || missed < 0 || was.seq < trimmed || from - was.seq > MISSED_MAX);
    if (!was || isLost) this.cursor = { epoch, seq: from };
    const answer = { ch, epoch, seq, read, trimmed, missed: isLost ? undefined : missed, reset: Boolean(isLost) };
    for (const { resolve } of inner.joins.splice(0)) resolve(answer);
    if (isLost) this.reset(was);
    else if (this.cursor.seq < from) this.fill(from);
  }

  /** It does not listen any more, and was not asked. */
  unseated({ ch, error }) {
    const { inner } = this;
    if (!inner.wants) return;
    const { joined } = this;
    inner.wants = inner.presence = this.joined = false;
    this.fail(new ChaguanError(error.code, error.message));
    if (joined) this.emit('kicked', { ev: 'kicked', ch, reason: error.code });
  }

  /** What lies between cannot be told event by event. */
  reset(was) {
    this.emit('reset', { was, cursor: { ...this.cursor }, epoch_changed: was.epoch !== this.cursor.epoch });
  }

  take(frame) {
    const { inner } = this, { ev, epoch, seq } = frame;
    if (ev === 'kicked') inner.wants = inner.presence = this.joined = false;
    if (ev === 'read') this.marker = Math.max(this.marker ?? 0, seq);
    if (epoch !== undefined) { // a numbered one
      if (!inner.wants || !this.cursor || epoch !== this.cursor.epoch || seq <= this.cursor.seq) return;
      if ((ev === 'gone' ? frame.first : seq) > this.cursor.seq + 1) return void this.fill(seq);
      this.cursor = { epoch, seq };
    }
    this.emit(ev, frame);
    this.emit('event', frame);
  }

  /** Tells everything up to that number out of the history. What comes live meanwhile is found there, too. */
  async fill(due) {
    const { inner } = this;
    inner.due = Math.max(inner.due, due);
    if (inner.filling) return;
    inner.filling = true;
    try {
      while (inner.wants && this.cursor.seq < inner.due) {
        const was = this.cursor;
        const { epoch, events, trimmed = 0 } = await this.ask('history', { after: was.seq, limit: PAGE }, { patient: true });
        if (this.cursor !== was) continue; // it began anew meanwhile
        if (epoch !== was.epoch || was.seq < trimmed || !events.length) {
          this.cursor = { epoch, seq: inner.due };
          this.reset(was);
        }
        for (const event of events) this.take(event);
      }
    } catch {
      // it is closed, or not to be read any more, which is told in another way
    } finally {
      inner.filling = false;
      inner.due = 0;
    }
  }

  // ---- what is stored: kept in the outbox until it is answered ----

  send(content, { client_id, ...more } = {}) {
    return this.client.box.keep(this.id, 'send', { kind: 'text', ...more, content }, client_id);
  }

  edit(seq, content, { client_id } = {}) {
    return this.client.box.keep(this.id, 'edit', { seq, content }, client_id);
  }

  recall(seq, { client_id } = {}) {
    return this.client.box.keep(this.id, 'recall', { seq }, client_id);
  }

  react(seq, emoji, on = true) {
    return this.client.box.keep(this.id, 'react', { seq, emoji, on });
  }

  // ---- what is looked up or told ----

  ask(cmd, fields, how) {
    return this.client.ask(cmd, { room: this.id, ...fields }, how).then((answer) => {
      this.ch ??= answer.ch;
      return answer;
    });
  }

  history({ before, after, limit } = {}) {
    return this.ask('history', { before, after, limit });
  }

  /** Moves the user's read marker; without a number, to the last event that was heard. */
  async read(seq = this.cursor?.seq ?? 0) {
    const answer = await this.ask('read', { seq });
    this.marker = answer.seq;
    return answer;
  }

  async unread() {
    const [answer] = await this.client.unread([this.id]);
    if (answer.error) throw new ChaguanError(answer.error.code, answer.error.message);
    return answer;
  }

  /** Not stored, may be lost: settles in any case. */
  typing() {
    return this.ask('typing', {}, { once: true, now: true }).then(() => {}, () => {});
  }

  async members() {
    return (await this.ask('members')).members;
  }

  search(q, { limit, cursor } = {}) {
    return this.ask('search', { q, limit, cursor });
  }

  invite(user, role) {
    return this.ask('invite', { user, role });
  }

  remove(user) {
    return this.ask('remove', { user });
  }

  quit() {
    return this.ask('quit');
  }

  /** Uploads the file and sends its address. `onprogress({sent, total})`; `signal` ends the upload. */
  async upload(file, { name, onprogress, signal, ...more } = {}) {
    const uploaded = await this.client.upload(file, { name, onprogress, signal });
    const [kind] = uploaded.kind.split('/');
    const stored = await this.send(uploaded.url, { kind: kind === 'image' || kind === 'video' ? kind : 'file', ...more });
    return { ...stored, uploaded };
  }
}
