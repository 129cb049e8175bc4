// client.js: what an application has of it all: connect() makes a client, which asks, hears and keeps.
import { Conversation } from './conversation.js';
import { isPassing, makeLink } from './link.js';
import { canLock } from './locks.js';
import { makeOutbox } from './outbox.js';
import { memoryStorage } from './storage.js';
import { makeShared } from './tabs.js';
import { webTransport } from './transports.js';
import { ChaguanError, Emitter, endOf } from './util.js';

const TRIES = 5; // of what is only looked up, while the server says that it cannot now
const TOKEN_LEFT_MS = 10_000; // a token with less is not begun with

const DEFAULTS = { timeout_ms: 30_000, backoff_ms: 500, backoff_max_ms: 30_000 };

/** options: see index.d.ts. */
export function connect(options) {
  return new Client(options);
}

export class Client extends Emitter {
  constructor({ url, token, user, transport = webTransport(), storage = memoryStorage(), share, ...timing }) {
    super();
    const hidden = (name, value) => Object.defineProperty(this, name, { value });
    const base = url.replace(/\/$/, '').replace(/^ws/, 'http');
    this.state = { state: 'connecting' };
    this.user = undefined;
    this.closed = false;
    this.count = 0;
    hidden('rooms', new Map());
    hidden('asks', new Map());
    hidden('token', makeToken(token));
    hidden('uploads', { address: `${base}/v1/uploads`, transport });
    hidden('box', makeOutbox({ storage, tell: (name, value) => this.emit(name, value),
      ask: ({ entry: { cmd, room, client_id, fields }, unknown }) => this.ask(cmd,
        { room, ...fields, ...(cmd !== 'react' && { client_id }) }, { patient: true, unknown }) }));
    const linkOptions = { ...DEFAULTS, ...timing, transport, address: `${base.replace(/^http/, 'ws')}/v1`,
      who: async (fresh) => {
        if (user) return { user };
        const said = await this.token(fresh);
        return said && { token: said };
      } };
    const down = (message) => this.hear(message);
    const isShared = share && canLock && globalThis.BroadcastChannel;
    hidden('line', isShared ? makeShared(`chaguan:${base}:${share}`, (tell) => makeLink(linkOptions, tell), down)
      : makeAlone((tell) => makeLink(linkOptions, tell), down));
    const wake = () => this.wake();
    globalThis.addEventListener?.('online', wake);
    hidden('stopListening', () => globalThis.removeEventListener?.('online', wake));
  }

  // ---- the connection ----

  post(message) {
    if (!this.closed) this.line?.post(message);
  }

  hear(message) {
    const { t, n, room, frame } = message;
    if (this.closed) return;
    if (t === 'state') this.become(message);
    else if (t === 'answer') this.answered(n, message.answer);
    else if (t === 'lost') this.lost(n, message.sent);
    else if (t === 'seated') this.rooms.get(room)?.seated(message);
    else if (t === 'unseated') this.rooms.get(room)?.unseated(message);
    else if (t === 'event') this.happened(frame);
    else if (t === 'anew') this.begin();
  }

  /** Another tab leads now. */
  begin() {
    this.become({ state: 'connecting' });
    for (const [n, { flying }] of [...this.asks]) if (flying) this.lost(n, true);
    for (const conversation of this.rooms.values()) conversation.sit();
  }

  become({ t, welcome, until, ...state }) {
    this.state = until === undefined ? state : { ...state, until: new Date(until) };
    if (welcome) this.user = welcome;
    if (state.state === 'open') for (const n of [...this.asks.keys()]) this.fly(n);
    if (state.state === 'closed') this.refuseAll(({ patient }) => !patient, state.why);
    this.emit('state', this.state);
  }

  happened(frame) {
    for (const conversation of [...this.rooms.values()])
      if (conversation.ch === frame.ch) conversation.take(frame);
    this.emit('event', frame);
  }

  /** The network may be there again, or the device awake: looks at once. */
  wake() {
    this.post({ t: 'wake' });
  }

  /** For good. What has no answer is rejected with `closed`; what is in a storage goes out the next time. */
  close() {
    if (this.closed) return;
    this.closed = true;
    this.stopListening();
    this.line.close();
    this.become({ state: 'closed', why: 'closed' });
    this.refuseAll(() => true, 'the client was closed');
    this.box.close();
    for (const conversation of this.rooms.values()) conversation.fail(new ChaguanError('closed'));
  }

  // ---- commands ----

  /**
   * A command of the protocol; a promise of its answer. It waits for a connection, and is asked again if its answer was lost
   * or it could not be carried out now. once: not again if it may have been carried out. now: only over an open
   * connection. patient: for ever. unknown: an earlier life may have sent it.
   */
  ask(cmd, fields, { once = false, now = false, patient = false, unknown = false } = {}) {
    const n = ++this.count;
    return new Promise((resolve, reject) => {
      const ask = { cmd, fields, once, patient, unknown, resolve, reject, tries: 0 };
      const isOff = this.closed || (this.state.state === 'closed' && !patient);
      if (isOff || (now && this.state.state !== 'open'))
        return reject(new ChaguanError(isOff ? 'closed' : 'offline', undefined, { unknown }));
      this.asks.set(n, ask);
      this.fly(n);
    });
  }

  fly(n) {
    const ask = this.asks.get(n);
    if (!ask || ask.flying || ask.waiting || this.state.state !== 'open') return;
    ask.flying = true;
    this.post({ t: 'ask', n, cmd: ask.cmd, fields: ask.fields });
  }

  refuse(n, code, message) {
    const { reject, unknown } = this.asks.get(n);
    this.asks.delete(n);
    reject(new ChaguanError(code, message, { unknown }));
  }

  refuseAll(which, why) {
    for (const [n, ask] of [...this.asks]) {
      if (!which(ask)) continue;
      ask.unknown ||= Boolean(ask.flying);
      this.refuse(n, 'closed', why);
    }
  }

  /** It flies again with the next connection. */
  lost(n, sent) {
    const ask = this.asks.get(n);
    if (!ask) return;
    ask.flying = false;
    ask.unknown ||= sent;
    if (sent && ask.once) this.refuse(n, 'unknown', 'the connection ended before the answer');
  }

  answered(n, { ok, re, error, ...answer }) {
    const ask = this.asks.get(n);
    if (!ask) return;
    ask.flying = false;
    if (ok) {
      this.asks.delete(n);
      return ask.resolve(answer);
    }
    if (error.code === 'unknown') ask.unknown = true;
    const isUnknown = error.code === 'unknown' && !ask.once;
    if (!(isUnknown || isPassing(error)) || (!ask.patient && ++ask.tries >= TRIES)) return this.refuse(n, error.code, error.message);
    ask.waiting = true;
    setTimeout(() => {
      ask.waiting = false;
      this.fly(n);
    }, (error.retry_after_ms ?? 1000) * (1 + Math.random()));
  }

  // ---- conversations ----

  /** The same object for the same name. Nothing is asked by it. */
  conversation(id) {
    if (!this.rooms.has(id)) this.rooms.set(id, new Conversation(this, id));
    return this.rooms.get(id);
  }

  conversations({ limit, cursor } = {}) {
    return this.ask('conversations', { limit, cursor });
  }

  /** Without an `id` it is not asked twice: each would be a new one. */
  create({ id: room, type, name, meta, members }) {
    return this.ask('create', { room, type, name, meta, members }, { once: room === undefined && type !== 'direct' });
  }

  async unread(rooms) {
    return (await this.ask('unread', { rooms })).rooms;
  }

  search(q, { limit, cursor } = {}) {
    return this.ask('search', { q, limit, cursor });
  }

  /** A promise of {url, kind, bytes, name, width?, height?}. */
  async upload(file, { name = file.name ?? 'file', onprogress, signal } = {}) {
    const { address, transport } = this.uploads;
    const { status, text } = await transport.upload(address, { file, name, token: await this.token(), onprogress, signal });
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      // nginx's own page
    }
    if (status === 201 && answer?.url) return answer;
    throw new ChaguanError(answer?.error?.code ?? `http_${status}`, answer?.error?.message, { retry_after_ms: answer?.error?.retry_after_ms });
  }

  // ---- the outbox ----

  /** What is not known to be stored yet, with what an earlier life left. `settled` tells of each when it is. */
  get outbox() {
    return this.box.list();
  }

  /** True: it was taken back before anything of it was sent. */
  cancel(client_id) {
    return this.box.cancel(client_id);
  }
}

function makeAlone(makeLink, down) {
  const link = makeLink((to, message) => down(message));
  return { post: (message) => link.post('', message), close: link.close };
}

/** The token is asked for again when it is about to end, or was refused. */
function makeToken(get) {
  let token;
  return async (fresh = false) => {
    if (!get) return undefined;
    if (fresh || !token || endOf(token) - Date.now() < TOKEN_LEFT_MS) token = await get();
    return token;
  };
}
