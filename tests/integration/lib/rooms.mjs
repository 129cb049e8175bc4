// Clients of the chatrooms over plain HTTP: polls, Server-Sent Events (by a real EventSource), the iframe's stream,
// and POSTs.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import zlib from 'node:zlib';
import { EventSource } from 'eventsource';
import { DEADLINE_MS, eventually, post, request } from './http.mjs';

/** relay: 0 through nginx, n directly to that relay's own port; port: another one, a proxy's. */
export function roomUrl(stack, seat, verb, query = {}, { relay = 0, port } = {}) {
  const at = port ?? (relay ? stack.relayPort(relay) : stack.port);
  const url = new URL(`http://127.0.0.1:${at}/rooms/${encodeURIComponent(seat.roomId)}/${verb}`);
  for (const [name, value] of Object.entries({ ...(seat.nickId ? { nickId: seat.nickId } : {}), ...query }))
    url.searchParams.set(name, value);
  return url.href;
}

export const ask = (stack, seat, verb, query, how) => request(roomUrl(stack, seat, verb, query, how));

/** Polls until the room says nothing more and the poller's own arrival has been seen; the last number. */
export async function settled(stack, seat, how) {
  let next = 0;
  let arrived = false;
  await eventually(async () => {
    const answer = await poll(stack, seat, { after: next }, how);
    next = answer.next;
    arrived ||= answer.events.some((event) => event.data.log_content === `${seat.nick} 进入了房间`);
    return arrived && answer.events.length === 0;
  }, 'silence in the room');
  return next;
}

/** A poll's answer. */
export async function poll(stack, seat, query, how) {
  const { status, text, json } = await ask(stack, seat, 'poll', query, how);
  assert.equal(status, 200, text);
  assert.ok(Array.isArray(json.events) && Number.isSafeInteger(json.next) && Number.isSafeInteger(json.epoch), text);
  Listener.described?.check('poll_answer', json);
  return json;
}

/** A POST that says something, as it is answered. */
export function tell(stack, seat, body, how) {
  return post(roomUrl(stack, { roomId: seat.roomId }, 'send', {}, how), { nickId: seat.nickId, ...body });
}

/** {epoch, seq} of what was said. */
export async function say(stack, seat, content, more = {}, how = undefined) {
  const { status, text, json } = await tell(stack, seat, { content, ...more }, how);
  stack.keepSecret(content);
  assert.equal(status, 200, text);
  assert.equal(json.success, true, text);
  Listener.described?.check('send', { nickId: seat.nickId, content, ...more });
  Listener.described?.check('sent', json);
  return json.data;
}

/** A client that listens: its `got` is [{seq, type, data}…] as it came. */
export class Listener {
  /** A suite may set it: whatever comes is held against it (lib/described.mjs). */
  static described = null;

  get messages() {
    return this.got.filter((event) => event.type === 'message');
  }

  get seqs() {
    return this.messages.map((event) => event.seq);
  }

  until(predicate, what) {
    return eventually(() => predicate(this),
      `${what}; the last of ${this.got.length} events: ${JSON.stringify(this.got.slice(-3))}`);
  }

  heard(content) {
    return this.until(() => this.messages.find((event) => event.data.log_content === content),
      `the message ${content}`);
  }

  reached(seq) {
    return this.until(() => this.messages.at(-1)?.seq >= seq, `number ${seq}`);
  }
}

/** An EventSource as browsers have one: it comes back by itself, with the last id that it has seen. */
export class Events extends Listener {
  got = [];
  opens = 0;
  ids = []; // every id that an event had

  static async open(stack, seat, { query, ...how } = {}) {
    const events = new Events(roomUrl(stack, seat, 'events', query, how));
    await events.until(() => events.opens > 0 && events.got.length > 0, 'the stream of events');
    return events;
  }

  constructor(url) {
    super();
    this.source = new EventSource(url);
    this.source.addEventListener('open', () => this.opens++);
    for (const type of ['message', 'members', 'reset']) {
      this.source.addEventListener(type, (event) => {
        const seq = type === 'message' ? Number(event.lastEventId.split('-')[1]) : undefined;
        const data = JSON.parse(event.data);
        Listener.described?.check(`sse_${type}`, data);
        if (type === 'message') this.ids.push(event.lastEventId);
        this.got.push({ seq, type, data });
      });
    }
  }

  close() {
    this.source.close();
  }
}

/** A response that does not end: its bytes as text, and what the scripts in it call. */
export class Stream extends Listener {
  text = '';
  #checked = 0; // of its calls

  static open(url, headers = {}) {
    return new Promise((resolve, reject) => {
      const stream = new Stream();
      stream.req = http.get(url, { agent: false, headers }, (res) => {
        stream.status = res.statusCode;
        stream.headers = res.headers;
        stream.ended = false;
        const body = res.headers['content-encoding'] === 'gzip' ? res.pipe(zlib.createGunzip()) : res;
        body.setEncoding('utf8');
        body.on('error', () => {}); // it never ends well
        body.on('data', (text) => {
          stream.text += text;
        });
        const end = () => {
          stream.ended = true;
        };
        res.on('end', end).on('error', end).on('close', end);
        resolve(stream);
      });
      stream.req.on('error', reject);
    });
  }

  /** Runs the scripts as an iframe's page does: whatever is no call of parent.NAME with one value breaks it. */
  get got() {
    const calls = [];
    const whole = this.text.slice(0, this.text.lastIndexOf('</script>') + '</script>'.length);
    for (const [, script] of whole.matchAll(/<script>(.*?)<\/script>/gs)) {
      const named = (path) => new Proxy(() => {}, { // parent.a.b(event), whatever a and b are
        get: (_, name) => named([...path, name]),
        apply: (_, self, [event]) => calls.push({ name: path.join('.'), ...event }),
      });
      new Function('parent', script)(named([]));
    }
    for (const { name: _, ...event } of calls.slice(this.#checked)) Listener.described?.check('call', event);
    this.#checked = calls.length;
    return calls;
  }

  close() {
    this.req.destroy();
  }
}

/** A request whose client is going to vanish: resolves to a function that destroys its socket, once `begun` is sent or
 *  seen. */
export function hang(url, { untilBytes = false } = {}) {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname, search } = new URL(url);
    const socket = net.connect({ host: hostname, port: Number(port) });
    const done = () => resolve(() => socket.destroy());
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      if (!untilBytes) done();
    });
    if (untilBytes) socket.once('data', done);
  });
}
