// A client of the native protocol, written from docs/protocol.md alone: commands with answers, events by conversation,
// one cursor for each, and coming back with them.
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { Socket, unique } from './socket.mjs';

export class Native extends Socket {
  /** Connected, without a hello. */
  static async open(stack, { relay = 0, options = {} } = {}) {
    const native = new this(stack, new WebSocket(`${stack.wsUrl(relay)}/v1`, 'chaguan.v1',
      { perMessageDeflate: false, ...options }));
    Object.assign(native, { ids: 0, answers: new Map(), asked: new Map(), cursors: new Map(), logs: new Map() });
    await native.opened;
    assert.equal(native.ws.protocol, 'chaguan.v1');
    return native;
  }

  /** who: {user} or {token}. resume: as the protocol has it. */
  static async hello(stack, who, { resume, ...how } = {}) {
    const native = await this.open(stack, how);
    native.welcome = await native.must('hello', { ...who, ...(resume && { resume }) });
    return native;
  }

  /** An answer: from here on events come, right behind it. `asked`: what hello or join was asked with. */
  began({ ch, epoch, seq, missed, room, error }, asked) {
    if (error) return;
    this.logs.set(ch, []);
    this.cursors.set(ch, { room, epoch, seq: missed === undefined ? seq : asked.seq });
  }

  took(answer) {
    const asked = this.asked.get(answer.re);
    this.answers.set(answer.re, answer);
    if (!answer.ok || !asked) return;
    if (asked.cmd === 'hello') for (const [i, joined] of answer.joined.entries()) this.began(joined, asked.resume[i]);
    if (asked.cmd === 'leave')
      for (const [ch, { room }] of this.cursors) if (room === asked.room) this.cursors.delete(ch);
    if (asked.cmd === 'join' && !this.cursors.has(answer.ch)) this.began(answer, asked);
  }

  eventsOf(value) {
    Native.described?.heard(value, this.asked.get(value.re));
    if ('re' in value) {
      this.took(value);
      return [];
    }
    if (value.seq !== undefined && ['message', 'edit', 'recall', 'react', 'joined', 'removed', 'renamed', 'gone'].includes(value.ev)) {
      const cursor = this.cursors.get(value.ch);
      if (cursor) {
        assert.equal(value.ev === 'gone' ? value.first : value.seq, cursor.seq + 1, `a hole in ${value.ch}: ${JSON.stringify(value)}`);
        assert.equal(value.epoch, cursor.epoch);
        cursor.seq = value.seq;
      }
      const log = this.logs.get(value.ch) ?? [];
      log.push(value);
      this.logs.set(value.ch, log);
    }
    return [value];
  }

  /** Sends a command and returns its id. */
  command(cmd, fields = {}) {
    const id = ++this.ids;
    if (fields.content) this.stack.keepSecret(fields.content);
    this.asked.set(id, { cmd, ...fields });
    this.sendJson({ id, cmd, ...fields });
    return id;
  }

  answer(id) {
    return this.until(() => this.answers.get(id), `the answer to ${id}`);
  }

  /** The answer to a command, good or bad. */
  ask(cmd, fields) {
    return this.answer(this.command(cmd, fields));
  }

  async must(cmd, fields) {
    const answer = await this.ask(cmd, fields);
    assert.equal(answer.ok, true, `${cmd}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** The code of a refusal. */
  async refused(cmd, fields) {
    const answer = await this.ask(cmd, fields);
    assert.equal(answer.ok, false, `${cmd}: ${JSON.stringify(answer)}`);
    assert.equal(typeof answer.error.message, 'string');
    return answer.error.code;
  }

  join(room, fields = {}) {
    return this.must('join', { room, ...fields });
  }

  send(room, content = unique('said'), more = {}) {
    return this.must('send', { room, content, client_id: unique('c'), ...more });
  }

  log(ch) {
    return this.logs.get(ch) ?? [];
  }

  said(ch) {
    return this.log(ch).map(({ content }) => content);
  }

  /** The event of that conversation with that number. */
  reached(ch, seq) {
    return this.until(() => this.log(ch).find((event) => event.seq >= seq), `number ${seq} of ${ch}`);
  }

  event(ev, match = () => true) {
    return this.until(() => this.events.find((event) => event.ev === ev && match(event)), `an event ${ev}`);
  }

  /** For resume. */
  get resume() {
    return [...this.cursors.values()].map(({ room, epoch, seq }) => ({ room, epoch, seq }));
  }
}
