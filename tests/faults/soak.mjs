// Clients of every transport that come, talk, and go, for a long time; meanwhile what each process holds is measured.
//   node tests/faults/soak.mjs [--minutes N] [--clients N] [--every SECONDS]
// At the end a line is laid through each series: a leak is a slope, whatever the noise around it.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { Stack } from '../integration/lib/stack.mjs';
import { Chatter } from './clients/socketio.mjs';
import { Events, Frame, Poller, Poster } from './clients/rooms.mjs';
import { Friend } from './clients/friends.mjs';
import { Native } from './clients/native.mjs';
import { Page } from './clients/chatroom.mjs';
import { World, pause } from './world.mjs';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' },
  clients: { type: 'string', default: '60' }, every: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
const RELAYS = 2;
const ROOMS = 12;
const PEOPLE = 12; // of each room

// ---- who comes ----

async function data(world, path, body) {
  const answer = await world.call(path, { body, ms: 30_000 });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
  return answer.json.data;
}

async function seat(world, room, nick) {
  const { chatroomId: roomId, nickId } = await data(world, '/api/createChatroom',
    { chatroomName: room, nickName: nick, headNum: 1 });
  return { roomId, nickId, nick };
}

const KINDS = [
  (world, at, name) => new Page(world, at, name),
  (world, at, name) => new Native(world, at, name),
  (world, at, name) => new Events(world, at, name),
  (world, at, name) => new Frame(world, at, name),
  (world, at, name) => new Poller(world, at, name, 0),
  (world, at, name) => new Poller(world, at, name, 20),
  (world, at, name) => new Poster(world, at, name),
  (world, at, name) => new Chatter(world, name, { transports: ['polling'], speaks: true }),
  (world, at, name) => new Chatter(world, name, { transports: ['websocket'], speaks: false }),
  (world, at, name) => new Chatter(world, name, { transports: ['polling', 'websocket'], speaks: true }),
  (world, at, name) => new Friend(world, at.friendId, at.self, at.other, name),
];

/** One place: somebody comes, stays a while, goes, and somebody else comes. Some leave without a word. */
async function place(world, seats, n, tally) {
  for (let visit = 0; world.talking; visit++) {
    const fresh = Math.random() < 0.05; // a room that nobody else ever sees
    const at = fresh ? await seat(world, `soak-${n}-${visit}`, `soak-${n}-${visit}`).catch(() => undefined)
      : seats[Math.floor(Math.random() * seats.length)];
    const index = Math.floor(Math.random() * KINDS.length);
    if (!at || (index === KINDS.length - 1 && !at.friendId)) continue;
    const one = Object.assign(new World(world.stack, 0, `${n}.${visit}`), { closed: true });
    const client = KINDS[index](one, at, `soak-${n}-${visit}`);
    tally.visits++;
    const listens = !(client instanceof Poster);
    if (listens) client.start();
    if (client.say && client.speaks !== false && Math.random() < 0.5) client.talk(400);
    await pause(Math.random() * 12_000);
    one.talking = false;
    one.over = true;
    if (listens) await client.stop();
  }
}

// ---- what is measured ----

/** A process, and those that it started (nginx' workers). */
function held(stack, name) {
  const main = stack.pid(name);
  const pids = [main, ...fs.readFileSync(`/proc/${main}/task/${main}/children`, 'utf8').split(' ').filter(Boolean)];
  const sum = { 'RSS KiB': 0, files: 0, threads: 0 };
  for (const pid of pids) {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (key) => Number(status.match(new RegExp(`^${key}:\\s+(\\d+)`, 'm'))?.[1]);
    sum['RSS KiB'] += field('VmRSS');
    sum.files += fs.readdirSync(`/proc/${pid}/fd`).length;
    sum.threads += field('Threads');
  }
  return sum;
}

async function sample(stack) {
  const got = {};
  for (const name of ['relay1', 'relay2', 'rest', 'redis', 'mariadb', 'nginx'])
    for (const [key, value] of Object.entries(held(stack, name))) got[`${name} ${key}`] = value;
  for (const name of ['relay1', 'relay2']) {
    const metrics = await stack.metrics(name);
    for (const key of ['rooms', 'connections', 'http_connections', 'eio_connections', 'io_sockets', 'room_log_bytes',
      'outbox_bytes'])
      if (key in metrics) got[`${name} ${key}`] = metrics[key];
  }
  got['redis keys'] = Number((await stack.redis('DBSIZE'))[0].replace(/\D/g, ''));
  got['redis bytes'] = Number((await stack.redis('INFO', 'memory')).find((line) => line.startsWith('used_memory:'))
    .split(':')[1]);
  return got;
}

/** Least squares: {slope an hour, mean}. */
function line(points) {
  const n = points.length;
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / n;
  const [x, y] = [mean(0), mean(1)];
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  const under = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return { slope: under ? (over / under) * 3600 : 0, mean: y };
}

function report(series, from, until) {
  const round = (value) => (Math.abs(value) >= 100 ? Math.round(value) : Number(value.toFixed(1)));
  console.log(
    `from second ${Math.round(from)} to ${Math.round(until)}:\n` +
    '| what | first | last | least | most | mean | an hour |\n|---|---|---|---|---|---|---|');
  for (const name of Object.keys(series.at(-1)).filter((key) => key !== 'at')) {
    const points = series.filter((one) => one.at >= from && name in one).map((one) => [one.at, one[name]]);
    const numbers = points.map(([, value]) => value);
    const { slope, mean } = line(points);
    const row = [numbers[0], numbers.at(-1), Math.min(...numbers), Math.max(...numbers), mean, slope];
    console.log(`| ${name} | ${row.map(round).join(' | ')} |`);
  }
}

// ---- the soak ----

const stack = await Stack.start({ relays: RELAYS,
  settings: { rate_connection: 0, rate_connection_bytes: 0, rate_user: 0, rate_user_bytes: 0, rate_address: 0,
    rate_address_bytes: 0, rate_handshakes: 0, rate_creations: 0, address_connections_max: 0,
    log_level: 'info', grace_ms: '1s', admit_ms: '5s', io_recovery_ms: '10s', poll_presence_ms: '3s' } });
let bad = 0;
try {
  const world = Object.assign(new World(stack, 0, 'soak'), { closed: true });
  const seats = [];
  for (let r = 0; r < ROOMS; r++)
    for (let p = 0; p < PEOPLE; p++) seats.push(await seat(world, `soak-room-${r}`, `soak-${r}-${p}`));
  for (let i = 0; i + 1 < seats.length; i += 12) { // some have a friend, too
    const friend = async (name) => ({ name, ...(await data(world, '/api/users', { name })) });
    const [a, b] = await Promise.all([friend(`soak-${i}a`), friend(`soak-${i}b`)]);
    const { friendId } = await data(world, '/api/friends', { user1: a.userId, user2: b.userId });
    Object.assign(seats[i], { friendId, self: a, other: b });
    Object.assign(seats[i + 1], { friendId, self: b, other: a });
  }
  const began = Date.now();
  const tally = { visits: 0 };
  const places = Array.from({ length: Number(values.clients) }, (_, n) => place(world, seats, n, tally));
  const series = [];
  while (Date.now() - began < minutes * 60_000) {
    await pause(Number(values.every) * 1000);
    series.push({ at: (Date.now() - began) / 1000, ...(await sample(stack)) });
    if (series.length % 6 === 0)
      console.log(
        `${Math.round(series.at(-1).at)} s, ${tally.visits} visits: relay1 ${series.at(-1)['relay1 RSS KiB']} KiB, ` +
        `${series.at(-1)['relay1 files']} files`);
  }
  world.talking = false;
  await Promise.all(places);
  console.log(
    `${tally.visits} visits in ${minutes} minutes, ${await stack.count('SELECT COUNT(*) FROM message')} messages ` +
    `stored`);
  report(series, Math.max(60, minutes * 12), series.at(-1).at);
  await pause(35_000); // what is kept for those who come back goes: rooms, names, sockets that could be recovered
  const rest = await sample(stack);
  const left = Object.entries(rest).filter(([name]) => /keys|bytes|rooms|connections|files|relay.*RSS/.test(name));
  console.log(`half a minute after the last had gone: ${left.map(([name, value]) => `${name} ${value}`).join(', ')}`);
  const keys = (await stack.redis('KEYS', '*')).map((key) => key.replace(/[0-9a-f]{8,}|\d{5,}/g, '…'));
  console.log(`keys left in Redis: ${keys.sort().join(' ').slice(0, 1500)}`);
  await stack.checkAndStop();
} catch (error) {
  console.error(error);
  bad = 1;
} finally {
  await stack.remove();
}
process.exit(bad);
