// Users of an application, and the library that their devices use: who they are, what they have open, what was stored.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import WebSocket from 'ws';
import { connect, webTransport } from '../../../client/index.js';
import { request } from './http.mjs';
import { unique } from './socket.mjs';
import { makeToken, nowS } from './spaces.mjs';
import { DEADLINE_MS, NO_RATES, Stack } from './stack.mjs';

export class People {
  clients = new Set();

  static async start({ settings = {}, ...how } = {}) {
    const people = new People();
    people.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-keys-'));
    fs.chmodSync(people.dir, 0o755);
    people.secret = crypto.randomBytes(32).toString('base64');
    fs.writeFileSync(path.join(people.dir, 'app.secret'), `${people.secret}\n`);
    people.stack = await Stack.start({ relays: 2, ...how, settings: { ...NO_RATES, create: 'users', app_keys: people.dir, ...settings } });
    people.stack.keepSecret(people.secret);
    people.key = (await people.stack.chaguan('key', 'add', 'backend', '--scope', 'read,write,admin')).stdout.trim();
    return people;
  }

  async end() {
    for (const client of this.clients) client.close();
    await this.stack?.remove();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  tokenOf(id, seconds = 600) {
    const claims = { sub: id, name: `${id}'s name`, aud: 'chaguan', exp: nowS() + seconds };
    return makeToken(claims, this.secret, { header: { kid: 'app' } });
  }

  /** What the application's backend asks: the answer's object. */
  async call(method, at, body) {
    const bytes = body && Buffer.from(JSON.stringify(body));
    const answer = await request(`${this.stack.url}/v1/${at}`, { method, body: bytes,
      headers: { authorization: `Bearer ${this.key}`, ...(bytes && { 'content-length': bytes.length }) } });
    assert.ok(answer.status < 300, `${method} ${at}: ${answer.text}`);
    return answer.json;
  }

  /** A new conversation of these, by the application's id of it. */
  async room(...members) {
    const id = unique('order');
    for (const member of members) await this.call('PUT', `users/${member}`, { name: `${member}'s name` });
    await this.call('POST', 'conversations', { id, type: 'group', name: 'Tea', members });
    return id;
  }

  /** Somebody's device. relay 0: through nginx. */
  connect(id, { relay = 0, transport = webTransport(WebSocket), ...options } = {}) {
    const client = connect({ url: this.stack.wsUrl(relay), token: async () => this.tokenOf(id), transport, backoff_ms: 20, ...options });
    this.clients.add(client);
    return client;
  }
}

/** Everything that an emitter tells of `name`, and a way to wait for it. */
export function listen(emitter, name) {
  const heard = [];
  let look = () => {};
  emitter.on(name, (value) => {
    heard.push(value);
    look();
  });
  heard.until = (match, what) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited in vain for ${what ?? name}: ${JSON.stringify(heard.slice(-3))}`)), DEADLINE_MS);
    look = () => {
      const found = heard.find(match);
      if (!found) return;
      clearTimeout(timer);
      resolve(found);
    };
    look();
  });
  return heard;
}

export const stateOf = (client, state) => client.state.state === state ? client.state : listen(client, 'state').until((told) => told.state === state);
