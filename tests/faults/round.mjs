// One round: people of all kinds come, talk and listen while parts fail; then everything has to come to rest, and the
// history of it all is judged.
import { request } from '../integration/lib/http.mjs';
import { check } from './checker.mjs';
import { AppNative, Backend } from './clients/app.mjs';
import { CustomerListener, CustomerPoster } from './clients/customers.mjs';
import { Errands } from './clients/errands.mjs';
import { Giver, Player, SpaceNative } from './clients/spaces.mjs';
import { Events, Frame, Poller, Poster } from './clients/rooms.mjs';
import { Friend } from './clients/friends.mjs';
import { Native } from './clients/native.mjs';
import { Pipeliner, Rover } from './clients/pipeline.mjs';
import { HastyPage, Page } from './clients/chatroom.mjs';
import { Chatter, HastyChatter, LOOKOUT } from './clients/socketio.mjs';
import { heal, inject, plan } from './faults.mjs';
import { World, pause } from './world.mjs';

const REST_MS = 60_000; // to come to rest, at most
const LINES = { 2: ' 进入了房间', 3: ' 离开了房间' };
const TRANSFER = 8;
const REVISIONS = [10, 11]; // edit, recall
const PALS = 24; // users of the friend chat who are to become friends
const SPACE = 4; // conversation.kind: who comes and goes is shown there without a number
const SOCKETIO = 5;

// ---- who takes part ----

async function mustCall(world, path, body, ok, headers = {}) {
  let answer;
  const good = await world.until(async () => {
    answer = await world.call(path, { body, headers }).catch(() => undefined);
    return answer?.status === 200 && ok(answer.json);
  });
  if (!good) throw new Error(`${path}: ${JSON.stringify(answer)}`);
  return answer.json?.data ?? answer.json;
}

async function seat(world, room, nick) {
  const data = await mustCall(world, '/api/createChatroom', { chatroomName: room, nickName: nick, headNum: 1 },
    (json) => json?.success);
  return { roomId: data.chatroomId, nickId: data.nickId, nick };
}

/** People in a chatroom: [new client, talks, what it counts for]. */
export async function gather(world, room, kinds) {
  const people = [];
  for (const [i, [kind, make, options]] of kinds.entries()) {
    const nick = `${world.name}-${room}-${kind}${i}`;
    const person = make(await seat(world, `${world.name}-${room}`, nick), nick);
    people.push(Object.assign(person, { nick, listens: !(person instanceof Poster), talks: false, ...options }));
  }
  return people;
}

export const talks = { talks: true };
const leaves = { leaves: true };
/** How many of its calls are under way at once. */
const lanes = (count) => ({ talks: true, lanes: count });

function busyRoom(world) {
  const page = ['page', (at, name) => new Page(world, at, name)];
  const events = ['events', (at, name) => new Events(world, at, name)];
  const frame = ['frame', (at, name) => new Frame(world, at, name)];
  const poller = ['poller', (at, name) => new Poller(world, at, name, 0)];
  const patient = ['patient', (at, name) => new Poller(world, at, name, 20)];
  const poster = ['poster', (at, name) => new Poster(world, at, name), talks];
  const native = ['native', (at, name) => new Native(world, at, name)];
  return [[...native, talks], [...native, talks], native, [...native, leaves], [...page, talks], [...page, talks], page,
    [...page, leaves], events, events, [...events, leaves], frame, poller, patient, poster, poster];
}

function quietRoom(world) {
  return [['page', (at, name) => new Page(world, at, name), talks],
    ['events', (at, name) => new Events(world, at, name)],
    ['poster', (at, name) => new Poster(world, at, name), talks]];
}

/** Those who do not wait for answers, and who hears them. */
function hastyRoom(world) {
  const hasty = ['hasty', (at, name) => new Pipeliner(world, at, name), talks];
  return [hasty, hasty, ['page', (at, name) => new HastyPage(world, at, name), { ...talks, amongChanges: true }],
    ['poster', (at, name) => new Poster(world, at, name), lanes(5)], ['native', (at, name) => new Native(world, at, name)],
    ['events', (at, name) => new Events(world, at, name)], ['poller', (at, name) => new Poller(world, at, name, 0)],
    ['page', (at, name) => new Page(world, at, name), { amongChanges: true }]];
}

/** Two rooms, which some speak into at once, over one connection each. */
async function wideRooms(world) {
  const rooms = ['wide1', 'wide2'];
  const listeners = await Promise.all(rooms.map((room) => gather(world, room,
    [['events', (at, name) => new Events(world, at, name)], ['frame', (at, name) => new Frame(world, at, name)]])));
  const rovers = await Promise.all([1, 2].map(async (n) => {
    const nick = `${world.name}-rover${n}`;
    const seats = await Promise.all(rooms.map((room) => seat(world, `${world.name}-${room}`, nick)));
    return Object.assign(new Rover(world, seats, nick), { nick, listens: true, ...talks });
  }));
  return [...listeners.flat(), ...rovers];
}

/** Whoever calls REST without waiting. The markers that it moves are in rooms where there is talk. */
async function errands(world, people) {
  const login = (who) => mustCall(world, '/api/login', { nickName: `${world.name}-${who}` }, (json) => json?.token);
  const [owner, guest] = await Promise.all([login('owner'), login('guest')]);
  const errand = new Errands(world, `${world.name}-errands`, { owner, guest, pairs: [] });
  const pals = await Promise.all(Array.from({ length: PALS }, async () =>
    (await mustCall(world, '/api/users', { name: errand.name_('pal') }, (json) => json?.success)).userId));
  for (let i = 0; i < PALS; i++) for (let j = 0; j < i; j++) errand.pairs.push([pals[i], pals[j]]);
  const friend = people.find((person) => person instanceof Friend);
  errand.markers.push({ key: 'friend', kind: 'friend', at: 0, friendId: friend.room, userId: friend.self.userId,
    room: friend.room, user: friend.self.userId });
  for (const room of ['busy', 'hasty']) {
    const own = await seat(world, `${world.name}-${room}`, `${world.name}-${room}-reads`);
    errand.markers.push({ key: room, kind: 'room', at: 0, seat: own, room: own.roomId, user: own.nickId });
  }
  return [Object.assign(errand, { listens: false, ...talks })];
}

async function friends(world) {
  const user = async (name) => ({ name, ...(await mustCall(world, '/api/users', { name }, (json) => json?.success)) });
  const [a, b] = [await user(`${world.name}-friend-a`), await user(`${world.name}-friend-b`)];
  const { friendId } = await mustCall(world, '/api/friends', { user1: a.userId, user2: b.userId },
    (json) => json?.success);
  const make = (self, other, n, options) => Object.assign(new Friend(world, friendId, self, other, `${self.name}-${n}`),
    { listens: true, ...options });
  return [make(a, b, 1, talks), make(a, b, 2), make(b, a, 1, talks)];
}

async function customers(world) {
  const card = async (n) => {
    const own = { account: `${world.name}-${n}-${Date.now()}`, app_sid: 'app', username: `${world.name}-customer-${n}`,
      avatar: '' };
    await mustCall(world, '/users/register', own, (json) => json?.status === 200);
    return own;
  };
  const [a, b] = [await card('a'), await card('b')];
  const first = { friendInfo: b, userInfo: a, chat_content: 'hello', chat_type: 0 };
  await mustCall(world, '/chat/v1/message', first, (json) => json?.code === 1);
  const [{ room }] = await world.stack.sql(`SELECT c.public_id AS room FROM conversation c JOIN message m
    ON m.conversation = c.id JOIN user u ON u.id = m.sender WHERE c.kind = 3 AND u.name = ? LIMIT 1`, [a.username])
    .then((rows) => rows.length ? rows : world.stack.sql('SELECT public_id AS room FROM conversation WHERE kind = 3 ' +
      'ORDER BY id DESC LIMIT 1'));
  const listens = (own, other, n) =>
    Object.assign(new CustomerListener(world, room, own, other, `${own.username}-${n}`), { listens: true });
  const posts = (own, other) => Object.assign(new CustomerPoster(world, room, own, other, `${own.username}-posts`),
    { listens: false, ...lanes(3) });
  return [listens(a, b, 1), listens(b, a, 1), posts(a, b), posts(b, a)];
}

async function space(world) {
  const player = async (n) => {
    const nickName = `${world.name}-player-${n}`;
    return mustCall(world, '/api/login', { nickName }, (json) => json?.token);
  };
  const [a, b] = [await player('a'), await player('b')];
  const place = await mustCall(world, '/api/spaces', {}, (json) => json?.roomId, { token: a.token });
  await mustCall(world, `/api/spaces/${place.roomId}/join`, {}, () => true, { token: b.token });
  const name = (who, what) => `${world.name}-${what}-${who === a ? 'a' : 'b'}`;
  const listens = (own) => Object.assign(new Player(world, place, own, name(own, 'player')),
    { listens: true, ...talks });
  const gives = (own, other) => Object.assign(new Giver(world, place, own, other, name(own, 'gives')),
    { listens: false, ...lanes(3) });
  const [giver, other] = [gives(a, b), gives(b, a)];
  const native = Object.assign(new SpaceNative(world, place, a, name(a, 'native'), giver), { listens: true, ...talks });
  return [listens(a), listens(b), giver, other, native];
}

/** An application's users, in a conversation that its backend has made. */
async function application(world) {
  const key = await serverKey(world);
  const headers = { Authorization: `Bearer ${key}` };
  const make = async (path, body) => {
    let answer;
    const good = await world.until(async () => {
      answer = await world.call(`/v1/${path}`, { body, headers }).catch(() => undefined);
      return answer?.status === 200 || answer?.status === 201;
    });
    if (!good) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer.json;
  };
  const ids = ['a', 'b', 'c'].map((who) => `${world.name}-app-${who}`);
  const { public_id: room } = await make('conversations', { id: `${world.name}-app`, type: 'group', members: ids });
  const users = await Promise.all(ids.map(async (id) => ({ id, ...(await make(`users/${id}/token`, {})) })));
  const native = (user, n, options) => Object.assign(new AppNative(world, room, user, `${user.id}-${n}`),
    { listens: true, ...options });
  const backend = Object.assign(new Backend(world, room, key, ids[2], `${ids[2]}-backend`), { listens: false, ...lanes(3) });
  return [native(users[0], 1, talks), native(users[1], 1, talks), native(users[0], 2), backend];
}

/** One for all rounds of a stack. */
async function serverKey({ stack }) {
  if (!stack.serverKey) {
    const { code, stdout, stderr } = await stack.chaguan('key', 'add', 'faults', '--scope', 'read,write,admin');
    if (code !== 0) throw new Error(`chaguan key: ${stderr}`);
    stack.serverKey = stdout.trim();
  }
  return stack.serverKey;
}

/** What everybody has is what the transfers make of it. */
async function pointsAreRight(world, people, rows) {
  for (const giver of people.filter((person) => person instanceof Giver)) {
    const [{ score } = { score: 0 }] = await world.stack.sql(`SELECT m.score FROM standing m
      JOIN user u ON u.id = m.user JOIN conversation c ON c.id = m.conversation WHERE c.public_id = ? AND u.public_id = ?`,
      [giver.room, giver.own.userId]);
    let sum = 0;
    for (const { transfer } of rows.filter((row) => row.room === giver.room && row.transfer))
      sum += transfer.fromId === giver.own.userId ? -transfer.score : transfer.score;
    if (Number(score) !== sum) world.wrong(`${giver.name} has ${score} points, its transfers make ${sum}`);
  }
}

function chatters(world) {
  const make = (name, transports, options) => Object.assign(new Chatter(world, `${world.name}-${name}`,
    { transports, speaks: Boolean(options.talks) }), { listens: true, ...options });
  const hasty = (name, transports, rooms) => Object.assign(new HastyChatter(world, `${world.name}-${name}`,
    { transports, speaks: true }), { listens: true, ...talks, rooms });
  return [make('io-polling', ['polling'], talks), make('io-websocket', ['websocket'], talks),
    make('io-both', ['polling', 'websocket'], talks),
    hasty('io-hasty', ['websocket'], []), hasty('io-hasty-polling', ['polling'], []),
    hasty('io-roams', ['websocket'], [`${world.name}-one`, `${world.name}-two`]),
    make('io-listens', ['websocket'], {}), make('io-listens-too', ['polling'], {})];
}

// ---- what is stored ----

/** What was said: of what was changed since, and of changes, the client id tells. */
function textOf({ kind, sender_name: sender, client_id: clientId, content, revised_by: revised, recalled }) {
  if (LINES[kind]) return sender.toString('utf8') + LINES[kind];
  return revised || recalled || REVISIONS.includes(kind) ? clientId.toString('utf8').replaceAll('.', ' ') : content;
}

/** [{room, seq, text, sender, clientId, some}] of these rooms; of the namespace only what this round added. */
export async function stored(world, rooms) {
  const rows = await world.stack.sql(
    `SELECT c.public_id, c.kind AS what, c.seq AS counter, m.seq, m.kind, m.sender_name, m.client_id, m.content,
       m.audience IS NOT NULL AS some, m.revised_by, m.recalled
     FROM conversation c JOIN message m ON m.conversation = c.id
     WHERE c.public_id IN (?) OR (c.kind = ? AND c.name = '/' AND m.seq > ?) ORDER BY c.id, m.seq`,
    [rooms, SOCKETIO, world.namespaceBase]);
  return rows.map((row) => {
    const transfer = row.kind === TRANSFER ? JSON.parse(row.content) : undefined;
    return { room: row.what === SOCKETIO ? '/' : row.public_id, counter: Number(row.counter), seq: Number(row.seq),
      is: transfer && 'transfer',
      sender: row.sender_name.toString('utf8'), transfer,
      text: transfer ? world.transfers.get(transfer.score) : textOf(row),
      clientId: transfer ? undefined : row.client_id?.toString('utf8') ?? undefined,
      some: Boolean(row.some || REVISIONS.includes(row.kind) || (row.what === SPACE && LINES[row.kind])) || undefined,
      ...(row.revised_by || row.recalled ? { now: row.content } : {}) };
  });
}

/** The last number that this reader must have been shown at one of its places. */
function wanted(rows, person, { room }) {
  const own = person instanceof Friend ? person.self.name : undefined;
  return rows.filter((row) => row.room === room && !row.some && row.sender !== own).at(-1)?.seq ?? 0;
}

const roomsOf = (people) => [...new Set(people.flatMap((person) => person.places.map(({ room }) => room)))];

export async function caughtUp(world, people) {
  const rooms = roomsOf(people).filter((room) => room !== '/');
  const end = Date.now() + REST_MS;
  for (;;) {
    const rows = await stored(world, rooms);
    const late = people.filter((person) => !(person instanceof Player)
      && person.places.some((place) => (place.last ?? 0) < wanted(rows, person, place)));
    if (Date.now() > end || !late.length) {
      world.closed = true; // nothing more is written down: see whether that was all
      const again = await stored(world, rooms);
      if (again.length === rows.length || Date.now() > end) return again;
      world.closed = false;
    }
    await pause(200);
  }
}

// ---- who is there ----

async function presence(world, people) {
  const rooms = new Map();
  for (const place of people.filter(({ nick }) => nick).flatMap((person) => person.places))
    rooms.set(place.room, [...(rooms.get(place.room) ?? []), place]);
  const answers = [];
  for (const [room, inside] of rooms) {
    const names = inside.map(({ nick }) => nick).sort();
    answers.push({ ev: 'inside', room, names });
    for (const person of inside)
      if (person.members) answers.push({ ev: 'present', room, names: [...person.members].sort(), where: person.name });
    for (const { seat: { roomId, nickId }, nick } of inside) {
      const answer = await world.call('/api/validateNickIdByRoomId', { body: { roomId, nickId } })
        .catch(() => undefined);
      if (!answer?.json?.success)
        answers.push({ ev: 'present', room, names: names.filter((name) => name !== nick), where: 'REST' });
    }
  }
  const listening = people.filter((person) => person instanceof Chatter && !person.speaks)
    .map(({ socket }) => socket.id).sort();
  const headers = { Authorization: `Bearer ${world.stack.config().admin_token}` };
  const answer = await request(`${world.stack.url}/api/io/rooms/${LOOKOUT}/sockets`, { headers });
  answers.push({ ev: 'inside', room: LOOKOUT, names: listening },
    { ev: 'present', room: LOOKOUT, names: [...(answer.json?.data ?? [])].sort(), where: 'Redis' });
  return answers;
}

async function presenceIsTrue(world, people) {
  let answers = [];
  await world.until(async () => {
    answers = await presence(world, people);
    return check(answers).length === 0;
  });
  for (const answer of answers) world.record(answer);
}

// ---- the feed ----

/** What the worker's log says that its consumer was given, of all rounds. */
function given(stack) {
  const row = /^ts=\S+ .*event=feed\.row consumer=count conversation=(\d+) seq=(\d+) kind=\d+$/gm;
  return [...stack.read('worker1.log').matchAll(row)].map(([, conversation, seq]) => [conversation, Number(seq)]);
}

/** Every message that is stored has come to the consumer, in the order of its conversation; how many came twice. */
async function feedIsWhole(world) {
  const { stack } = world;
  const passed = await world.until(async () => {
    const { stdout } = await stack.chaguan('feed');
    return /^job=count .* lag_rows=0 /m.test(stdout) && /^rows=0$/m.test(stdout);
  }, REST_MS);
  if (!passed) world.wrong('the consumer of the feed does not come to its end');
  const last = new Map();
  let twice = 0;
  for (const [conversation, seq] of given(stack)) {
    const before = last.get(conversation) ?? 0;
    if (seq > before + 1) world.wrong(`the feed of conversation ${conversation} goes from ${before} to ${seq}`);
    if (seq <= before) twice++;
    else last.set(conversation, seq);
  }
  for (const { conversation, seq } of await stack.sql('SELECT conversation, MAX(seq) AS seq FROM message GROUP BY conversation'))
    if (last.get(String(conversation)) !== Number(seq))
      world.wrong(`the feed of conversation ${conversation} ends with ${last.get(String(conversation))}, not ${seq}`);
  return twice;
}

// ---- the round ----

export async function assemble(world) {
  const people = (await Promise.all([gather(world, 'busy', busyRoom(world)), gather(world, 'hasty', hastyRoom(world)),
    gather(world, 'quiet', quietRoom(world)), wideRooms(world), friends(world), customers(world), space(world), application(world)])).flat();
  people.push(...chatters(world), ...(await errands(world, people)));
  world.namespaceBase =
    await world.stack.count(`SELECT COALESCE(MAX(seq), 0) FROM conversation WHERE kind = ? AND name = '/'`, [SOCKETIO]);
  for (const person of people) if (person.listens) person.start();
  await allConnected(world, people, 'at first');
  return people;
}

export async function allConnected(world, people, when) {
  const away = () => people.filter((person) => !person.connected && !person.closing);
  if (!(await world.until(() => !away().length, REST_MS)))
    world.wrong(`${when} not connected: ${away().map(({ name, trouble }) => `${name} (${trouble})`)}`);
}

/** Some leave while others are failing: they must not be there in the end. */
async function someLeave(world, people, spanMs) {
  await Promise.all(people.filter((person) => person.leaves).map(async (person) => {
    await pause(world.dice.between(spanMs / 3, spanMs));
    await person.stop();
  }));
}

/** In each room somebody says something that must be stored, so that every reader has something to reach. */
export async function lastWords(world, people) {
  for (const room of roomsOf(people)) {
    const speaker = people.find((person) => person.room === room && person.talks && person.retries)
      ?? people.find((person) => person.room === room && person.talks);
    // it has said all it had to say until it was known; a room of those who rove is theirs to speak in
    if (!speaker || speaker instanceof Pipeliner || speaker instanceof HastyPage) continue;
    const both = speaker instanceof Friend
      ? people.filter((person) => person.room === room && person.talks) : [speaker];
    for (const one of both) {
      const text = world.text(one.name);
      world.record({ ev: 'send', by: one.name, room, text });
      await world.until(async () => {
        const answer = await one.say(text, text.replaceAll(' ', '.'));
        world.record({ ev: 'answer', by: one.name, text, ...answer });
        return answer.what === 'ack' || one instanceof Friend;
      });
    }
  }
}

/** {history, violations}. faults: how many; spanMs: for how long they begin; longestMs: a stall lasts; only: those whose
 *  name matches. */
export async function round(stack, { seed, name, faults, spanMs, longestMs = 30_000, only }) {
  const world = Object.assign(new World(stack, seed, name), { longestMs });
  const planned = plan(world, { count: faults, spanMs, only });
  const people = await assemble(world);
  for (const person of people) if (person.talks) person.talk();
  await Promise.all([inject(world, planned), pause(spanMs), someLeave(world, people, spanMs)]);
  await heal(stack);
  world.talking = false;
  const ended = Promise.all(people.map((person) => person.talking)).then(() => true);
  if (!(await Promise.race([ended, pause(REST_MS)]))) world.wrong('somebody still waits for an answer');
  const staying = people.filter((person) => !person.leaves && person.listens);
  await allConnected(world, staying, 'afterwards');
  await lastWords(world, people.filter((person) => !person.leaves));
  await presenceIsTrue(world, staying);
  const rows = await caughtUp(world, staying);
  world.closed = false;
  for (const person of staying) // a player has no cursor: what came before its seat is not its own
    if (!(person instanceof Player))
      for (const { room } of person.places) world.record({ ev: 'end', reader: person.name, room });
  for (const person of people) if (person.facts) for (const line of await person.facts()) world.record(line);
  await pointsAreRight(world, people, rows);
  for (const { counter, transfer, ...row } of rows) world.record({ ev: 'row', ...row });
  for (const room of new Set(rows.map((row) => row.room)))
    world.record({ ev: 'counter', room, seq: rows.find((row) => row.room === room).counter });
  const fedTwice = await feedIsWhole(world);
  const checked = await stack.chaguan('check');
  if (checked.code !== 0) world.wrong(`chaguan check: ${checked.stdout}${checked.stderr}`);
  world.over = world.closed = true;
  await Promise.all(people.filter((person) => person.listens).map((person) => person.stop()));
  return { history: world.history, recoveries: people.reduce((sum, person) => sum + (person.recoveries ?? 0), 0),
    fedTwice, violations: check(world.history) };
}
