// A WebSocket that keeps every frame and lets a test wait for what it tells of, never for a time. What frames mean is
// the protocols' business: they extend it.
import assert from 'node:assert/strict';
import http from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import WebSocket from 'ws';
import { DEADLINE_MS } from './http.mjs';
import { waitFor } from './waiting.mjs';

let counter = 0;
/** A text that occurs nowhere else. */
export const unique = (stem = 'x') => `${stem}-${process.pid.toString(36)}-${Date.now().toString(36)}-${++counter}`;

/** Notes in `list` each client that it is given, for the end of a suite, and returns it. */
export const keepIn = (list) => (client) => {
  list.push(client);
  return client;
};

export class Socket {
  /** A suite may set it, of a protocol's own class: all frames are held against it (lib/described.mjs). */
  static described = null;

  /** target: path and query, right or wrong. relay: 0 through nginx, n directly to that relay's own port. */
  static dial(stack, target, { relay = 0, options = {} } = {}) {
    return new this(stack, new WebSocket(`${stack.wsUrl(relay)}${target}`, { perMessageDeflate: false, ...options }));
  }

  constructor(stack, ws) {
    this.stack = stack;
    this.ws = ws;
    this.frames = []; // raw texts
    this.events = []; // of all frames, in order
    this.closeInfo = undefined; // {code, reason} once closed
    this.waiters = new Set();
    this.cursor = 0; // for nextEvent()
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
      for (const event of this.eventsOf(JSON.parse(text))) this.events.push(event);
      this.wake();
    });
  }

  /** What a frame holds; here itself. */
  eventsOf(value) {
    assert.ok(value && typeof value === 'object' && !Array.isArray(value), 'every frame is an object');
    return [value];
  }

  wake() {
    for (const waiter of this.waiters) waiter();
  }

  /** Resolves with the predicate's first truthy value, asked again after every frame. */
  until(predicate, what = String(predicate), deadlineMs = DEADLINE_MS) {
    const over = () => this.closeInfo && `closed with ${this.closeInfo.code} '${this.closeInfo.reason}'`;
    const seen = () => `; the last of ${this.events.length} events:\n` +
      this.events.slice(-5).map((event) => JSON.stringify(event).slice(0, 300)).join('\n');
    return waitFor(this, predicate, what, { deadlineMs, over, seen });
  }

  /** The next event (after the one that it gave last) for which match holds. */
  nextEvent(match = () => true, what = 'the next event') {
    return this.until(() => {
      for (let i = this.cursor; i < this.events.length; i++) {
        if (match(this.events[i])) {
          this.cursor = i + 1;
          return this.events[i];
        }
      }
      return undefined;
    }, what);
  }

  sendRaw(data, options) {
    this.ws.send(data, options);
  }

  sendJson(value) {
    this.ws.send(JSON.stringify(value));
  }

  async close() {
    this.ws.close();
    return this.closed;
  }
}

/** The HTTP status of a handshake on exactly this target (nothing is normalised), 101 if it succeeds. */
export function knock(stack, target, { relay = 0, headers = {} } = {}) {
  const { port } = new URL(stack.wsUrl(relay).replace(/^ws/, 'http'));
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port, path: target, agent: false, timeout: DEADLINE_MS, headers: {
      Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', ...headers } });
    req.on('response', (res) => {
      res.resume();
      resolve(res.statusCode);
    });
    req.on('upgrade', (res, socket) => {
      socket.destroy();
      resolve(101);
    });
    req.on('timeout', () => req.destroy(new Error('no answer to a handshake')));
    req.on('error', reject);
    req.end();
  });
}

/** Two long lists are the same; says where they part instead of printing both. */
export function assertSameList(actual, expected, what = 'the lists') {
  const first = expected.findIndex((value, i) => !isDeepStrictEqual(value, actual[i]));
  if (first >= 0) {
    const show = (list) => JSON.stringify(list[first])?.slice(0, 300);
    assert.fail(
      `${what} part at ${first} of ${expected.length} (there are ${actual.length}): ${show(actual)} instead of ` +
      `${show(expected)}`);
  }
  assert.equal(actual.length, expected.length, `${what}: their length`);
}

// Content that must arrive, be stored and come back to the letter.
export const CONTENTS = [
  `it's "quoted" \\ \\' \\" \\\\`, `' OR 1=1--`, `'); DROP TABLE message; --`, '100% _under_ %s %n %00',
  '</script><script>alert(1)</script>',
  '<img src=x onerror=alert(1)>', 'separators: \u2028 and \u2029 end', '🍵👩‍👩‍👧🇨🇳 \u{1f600}',
  '𠮷野家 \u{10fffd}', 'tab\tline\nfeed\r\nreturn',
  'e\u0301 é \u00a0 \u3000', ' leading and trailing ', '\ufeffmark', 'DEL \u007f and C1 \u0085',
  '{"type":"error","data":[]}', '[]', 'null', '0',
];
