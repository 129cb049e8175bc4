// A client of door A, as the article's page is one: createChatroom over REST, then a WebSocket with both ids in its query.
// It keeps every frame and lets a test wait for what it tells of, never for a time.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import WebSocket from 'ws';
import { DEADLINE_MS } from './http.mjs';

let counter = 0;
/** A text that occurs nowhere else. */
export const unique = (stem = 'x') => `${stem}-${process.pid.toString(36)}-${Date.now().toString(36)}-${++counter}`;

/** Enters a room by name: {roomId, nickId, roomName, nick}. */
export async function enter(stack, roomName, nick, headNum = 1, prefix = '/mysql') {
  const answer = await stack.api('createChatroom', { chatroomName: roomName, nickName: nick, headNum }, prefix);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.success, true);
  const { chatroomId: roomId, nickId } = answer.json.data;
  return { roomId, nickId, roomName, nick };
}

export class Client {
  /** seat: what enter() gave. relay: 0 through nginx, n directly to that relay's own port. */
  static async connect(stack, seat, { relay = 0, path = '/', options = {} } = {}) {
    const client = Client.dial(stack, `?roomId=${encodeURIComponent(seat.roomId)}&nickId=${encodeURIComponent(seat.nickId)}`,
      { relay, path, options });
    client.seat = seat;
    await client.opened;
    return client;
  }

  /** Connected, and its arrival announced: the client sees its own name among the members. */
  static async join(stack, seat, how) {
    const client = await Client.connect(stack, seat, how);
    await client.until((c) => c.members?.some((m) => m.user_name === seat.nick), `${seat.nick} among the members`);
    return client;
  }

  /** Any query string, right or wrong; `opened` and `closed` tell what became of it. */
  static dial(stack, query, { relay = 0, path = '/', options = {} } = {}) {
    return new Client(stack, new WebSocket(`${stack.wsUrl(relay)}${path}${query}`, { perMessageDeflate: false, ...options }));
  }

  constructor(stack, ws) {
    this.stack = stack;
    this.ws = ws;
    this.frames = []; // raw texts
    this.events = []; // of all frames, in order
    this.members = undefined; // the latest list
    this.closeInfo = undefined; // {code, reason} once closed
    this.waiters = new Set();
    this.cursor = 0; // for next()
    this.opened = new Promise((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
      ws.once('close', () => reject(new Error('closed before it was open')));
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      ws.once('close', (code, reason) => {
        this.closeInfo = { code, reason: reason.toString() };
        resolve(this.closeInfo);
        this.wake();
      });
    });
    ws.on('error', (error) => {
      this.error = error;
    });
    ws.on('message', (data, isBinary) => {
      assert.equal(isBinary, false, 'the server sends text frames only');
      const text = data.toString('utf8');
      this.frames.push(text);
      const events = JSON.parse(text);
      assert.ok(Array.isArray(events) && events.length > 0, 'every frame is an array of events');
      for (const event of events) {
        if (event.type === 'members') this.members = event.data;
        this.events.push(event);
      }
      this.wake();
    });
  }

  wake() {
    for (const waiter of this.waiters) waiter();
  }

  /** Resolves with the predicate's first truthy value, asked again after every frame. */
  until(predicate, what = String(predicate), deadlineMs = DEADLINE_MS) {
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        this.waiters.delete(look);
        clearTimeout(timer);
        settle(value);
      };
      const look = () => {
        let value;
        try {
          value = predicate(this);
        } catch (error) {
          return end(reject, error);
        }
        if (value) return end(resolve, value);
        if (this.closeInfo) {
          const { code, reason } = this.closeInfo;
          end(reject, new Error(`closed with ${code} '${reason}' while waiting for ${what}`));
        }
      };
      const timer = setTimeout(() => {
        const last = this.events.slice(-5).map((event) => JSON.stringify(event).slice(0, 300)).join('\n');
        end(reject, new Error(`waited in vain for ${what}; the last of ${this.events.length} events:\n${last}`));
      }, deadlineMs);
      this.waiters.add(look);
      look();
    });
  }

  /** The next event of a type (after the one that next() gave last) for which match holds. */
  next(type, match = () => true) {
    return this.until(() => {
      for (let i = this.cursor; i < this.events.length; i++) {
        if (this.events[i].type === type && match(this.events[i].data)) {
          this.cursor = i + 1;
          return this.events[i];
        }
      }
      return undefined;
    }, `the next ${type} event`);
  }

  /** All message data so far. */
  get messages() {
    return this.events.filter((event) => event.type === 'message').map((event) => event.data);
  }

  /** Contents of what people (not the system) said. */
  get said() {
    return this.messages.filter((m) => m.log_user_name !== 'system').map((m) => m.log_content);
  }

  /** System lines. */
  get lines() {
    return this.messages.filter((m) => m.log_user_name === 'system').map((m) => m.log_content);
  }

  sendRaw(data, options) {
    this.ws.send(data, options);
  }

  sendJson(value) {
    this.ws.send(JSON.stringify(value));
  }

  /** The frame an article's page sends. Does not wait. */
  say(content, more = {}) {
    this.stack.keepSecret(content);
    this.sendJson({ type: 'message', content, sendUserName: this.seat.nick, sendUserId: this.seat.nickId,
      sendRoom: this.seat.roomId, sendTime: '2024-02-29 12:34:56', ...more });
    return content;
  }

  /** The message with this content, once it is here. */
  heard(content) {
    return this.until(() => this.messages.find((m) => m.log_content === content && m.log_user_name !== 'system'),
      `the message ${JSON.stringify(content).slice(0, 80)}`);
  }

  /** The system line, once it is here. */
  line(content) {
    return this.until(() => this.messages.find((m) => m.log_content === content && m.log_user_name === 'system'),
      `the line ${content}`);
  }

  /** The current members are exactly these names. */
  present(...names) {
    const wanted = [...names].sort().join('\n');
    return this.until(() => this.members?.map((m) => m.user_name).sort().join('\n') === wanted,
      `the members ${names.join(', ')} (now ${this.members?.map((m) => m.user_name)})`);
  }

  queryLogs(more = {}) {
    this.sendJson({ type: 'query-logs', sendUserId: this.seat.nickId, sendRoom: this.seat.roomId, ...more });
  }

  /** Asks for the history and gives its rows. */
  async history() {
    this.cursor = this.events.length;
    this.queryLogs();
    return (await this.next('logs')).data;
  }

  async close() {
    this.ws.close();
    return this.closed;
  }
}

/**
 * Proves that nothing more is on its way to these clients of one room: each says something and all have heard all of it.
 * What was sent before and has not arrived by then will not come.
 */
export async function settle(...clients) {
  for (const client of clients) {
    const content = client.say(unique('settle'));
    await Promise.all(clients.map((other) => other.heard(content)));
  }
}

/** The seq numbers of a client's messages are 'first, first + 1, …' without a gap or a repetition. */
export function assertWhole(client, what = 'messages') {
  const seqs = client.messages.map((m) => m.seq);
  seqs.forEach((seq, i) => assert.equal(seq, seqs[0] + i, `${what}: number ${i} of ${seqs.length}`));
}

/** Two long lists are the same; says where they part instead of printing both. */
export function assertSameList(actual, expected, what = 'the lists') {
  const first = expected.findIndex((value, i) => !isDeepStrictEqual(value, actual[i]));
  if (first >= 0) {
    const show = (list) => JSON.stringify(list[first])?.slice(0, 300);
    assert.fail(`${what} part at ${first} of ${expected.length} (there are ${actual.length}): ${show(actual)} instead of ${show(expected)}`);
  }
  assert.equal(actual.length, expected.length, `${what}: their length`);
}
