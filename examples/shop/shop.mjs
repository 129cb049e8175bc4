// A shop whose customers talk with its staff through Chaguan: its own users, its own signing key, its own backend.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws'; // npm install ws
const { CHAGUAN = 'http://127.0.0.1:7005', KEY, SECRET = 'keys/shop.secret' } = process.env;
const users = { ann: 'Ann', bob: 'Bob of the shop' };

/** Says who somebody is: the page gives it to the browser of whoever is logged in. */
function token(id) {
  const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
  const claims = { sub: id, name: users[id], aud: 'chaguan', exp: Math.floor(Date.now() / 1000) + 3600 };
  const said = `${part({ alg: 'HS256', kid: 'shop' })}.${part(claims)}`;
  return `${said}.${crypto.createHmac('sha256', fs.readFileSync(SECRET, 'utf8').trim()).update(said).digest('base64url')}`;
}

/** What the browser does with it: commands have answers, everything else that comes is an event. */
async function connect(user) {
  const socket = new WebSocket(`${CHAGUAN.replace('http', 'ws')}/v1`, 'chaguan.v1'), seen = [];
  socket.on('message', (text) => seen.push(JSON.parse(text)));
  const until = (wanted) => new Promise((resolve) => {
    const look = () => seen.some(wanted) && resolve(seen.find(wanted));
    socket.on('message', look);
    look();
  });
  let count = 0;
  const ask = (cmd, fields, id = ++count) => {
    socket.send(JSON.stringify({ id, cmd, ...fields }));
    return until((frame) => frame.re === id);
  };
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  await ask('hello', { token: token(user) });
  return { ask, until, close: () => socket.close() };
}

/** What the backend does, with a key that nobody else has. */
async function call(method, path, body) {
  const answer = await fetch(`${CHAGUAN}/v1/${path}`, { method, headers: { authorization: `Bearer ${KEY}` }, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text && !path.endsWith('/export') ? JSON.parse(text) : text; // an export is many objects, a line each
}

const order = `order-${Date.now()}`, at = `conversations/${order}`;
const { public_id: room } = await call('POST', 'conversations', { id: order, type: 'group', name: 'Tea', members: Object.keys(users) });
const [ann, bob] = await Promise.all(Object.keys(users).map(connect));
for (const one of [ann, bob]) await one.ask('join', { room, presence: true });
await ann.ask('send', { room, content: '我的茶到哪里了？', client_id: 'question' });
console.log('Bob hears', (await bob.until(({ ev }) => ev === 'message')).content);
await call('POST', `${at}/messages`, { content: 'It is on its way.' }); // without `from` the shop itself speaks
console.log('Ann hears', (await ann.until(({ ev, name }) => ev === 'message' && name === 'system')).content);
console.log('There are', (await call('GET', `${at}/presence`)).items.map(({ id }) => id).sort().join(' and '));
const find = async (q) => (await call('GET', `search?conversation=${order}&q=${encodeURIComponent(q)}`)).items[0] ?? sleep(100, q).then(find);
console.log('The shop finds', (await find('茶')).content); // once the index, a moment behind, has it
await call('DELETE', `${at}/members/bob`);
console.log('Bob is', (await bob.until(({ ev }) => ev === 'kicked')).ev);
console.log('Ann takes along', (await call('GET', 'users/ann/export')).trim().split('\n').length, 'lines');
await call('DELETE', 'users/ann');
console.log('Ann is forgotten:', JSON.stringify((await call('GET', `${at}/messages`)).items[0]));
[ann, bob].forEach((one) => one.close());
