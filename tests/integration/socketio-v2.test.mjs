// Clients of Socket.IO's version 2 (Socket.IO protocol 4 on Engine.IO 3), beside those of versions 3 and 4: the official
// clients of each, and what only bytes can show.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { createRequire } from 'node:module';
import WebSocket from 'ws';
import { Chatter, ioUrl, unique } from './lib/io.mjs';
import { DEADLINE_MS, NO_RATES, Stack, eventually, request } from './lib/stack.mjs';

const load = createRequire(import.meta.url);
const clients = { 2: load('socket.io-client-2'), 3: load('socket.io-client-3').io, 4: load('socket.io-client').io };
const ways = { 'polling': ['polling'], 'WebSocket': ['websocket'], 'polling, then WebSocket': ['polling', 'websocket'] };

/** A client of that version, connected and where its transports lead. */
async function connect(stack, version, { nsp = '/', relay = 0, transports = ['polling', 'websocket'], ...options } = {}) {
  const socket = clients[version](ioUrl(stack, relay) + nsp, { forceNew: true, transports, timeout: DEADLINE_MS,
    reconnectionDelay: 20, reconnectionDelayMax: 200, ...options });
  stack.atEnd(() => {
    socket.io.skipReconnect = true; // a manager that is about to try again would go on for ever
    socket.close();
  });
  await happens(socket, 'connect');
  stack.keepSecret(socket.io.engine.id);
  await eventually(() => socket.io.engine.transport.name === transports.at(-1) && !socket.io.engine.upgrading,
    'the transport');
  return socket;
}

/** The arguments of the next event of that name. */
function happens(emitter, name) {
  const late = new Error(`waited in vain for ${name}`);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late), DEADLINE_MS);
    emitter.once(name, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });
}

const emitAndGet = async (socket, event, ...args) => {
  const back = happens(socket, `${event}-back`);
  socket.emit(event, ...args);
  return back;
};
const ask = (socket, ...args) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error('no acknowledgement')), DEADLINE_MS).unref();
  socket.emit(...args, (...answer) => resolve(answer));
});

/** A polling session of version 3, spoken by hand. */
class Polling3 {
  static async open(stack, query = '', relay = 0) {
    const session = new Polling3();
    session.base = `${ioUrl(stack, relay)}/socket.io/?EIO=3&transport=polling${query}`;
    session.first = await request(session.base);
    if (session.first.status === 200 && !query.includes('j=')) {
      session.firstPackets = packetsOf(session.first.text);
      session.sid = stack.keepSecret(JSON.parse(session.firstPackets[0].slice(1)).sid);
    }
    return session;
  }

  get url() {
    return `${this.base}&sid=${this.sid}`;
  }

  post(body, type = 'text/plain;charset=UTF-8', query = '') {
    return request(this.url + query, { method: 'POST', body, headers: { 'Content-Type': type } });
  }

  say(...packets) {
    return this.post(packets.map((packet) => `${packet.length}:${packet}`).join(''));
  }

  get(query = '') {
    return request(this.url + query);
  }

  /** Polls until a packet begins like this. */
  async packet(beginning) {
    for (;;) {
      const answer = await this.get();
      assert.equal(answer.status, 200, answer.text);
      const found = packetsOf(answer.text).find((packet) => packet.startsWith(beginning));
      if (found) return found;
    }
  }
}

/** The packets of a text payload; lengths are those of JavaScript's strings. */
function packetsOf(text) {
  const packets = [];
  while (text) {
    const [head, digits] = text.match(/^(\d+):/);
    packets.push(text.slice(head.length, head.length + Number(digits)));
    text = text.slice(head.length + Number(digits));
  }
  return packets;
}

/** A record of a binary payload. */
const record = (isBinary, bytes) =>
  Buffer.concat([Buffer.from([isBinary ? 1 : 0, ...String(bytes.length).split('').map(Number), 255]), bytes]);

describe('the echo, with clients of versions 2, 3 and 4', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { ...NO_RATES, io_app: 'echo', lease_ms: '1500ms', io_eio3: 1 } });
  });
  after(() => stack?.remove());

  for (const version of [2, 3, 4])
    for (const [way, transports] of Object.entries(ways))
      it(`version ${version} over ${way}: events, acknowledgements both ways, bytes, namespaces, its end`, async () => {
        const socket = await connect(stack, version, { transports });
        if (version === 2) assert.equal(socket.id, socket.io.engine.id);
        const bytes = Buffer.from([0, 1, 2, 250, 255, 4]);
        assert.deepEqual(await emitAndGet(socket, 'message', 1, 'ä茶😀\u2028', { a: [null, true] }),
          [1, 'ä茶😀\u2028', { a: [null, true] }]);
        const [first, second] = await emitAndGet(socket, 'message', bytes, { deep: Buffer.alloc(0) });
        assert.deepEqual(Buffer.from(first), bytes);
        assert.equal(Buffer.from(second.deep).length, 0);
        assert.deepEqual(await ask(socket, 'message-with-ack', 'x', 2), ['x', 2]);
        assert.deepEqual(Buffer.from((await ask(socket, 'message-with-ack', bytes))[0]), bytes);
        socket.on('question', (value, answer) => answer(value, bytes));
        const answered = happens(socket, 'answer');
        socket.emit('ask', 'why');
        const [why, because] = await answered;
        assert.equal(why, 'why');
        assert.deepEqual(Buffer.from(because), bytes);
        const long = '茶'.repeat(50_000);
        assert.deepEqual(await emitAndGet(socket, 'message', long), [long]);
        const other = socket.io.socket('/custom');
        await happens(other, 'connect');
        assert.deepEqual(await emitAndGet(other, 'message', 'there'), ['there']);
        if (version === 2) assert.equal(other.id, `/custom#${socket.id}`);
        other.disconnect();
        assert.deepEqual(await emitAndGet(socket, 'message', 'still here'), ['still here']);
        await stack.counts('eio_connections_closed_total', () => socket.close());
      });

  it('version 2 says its arguments in the query of a namespace, and hears of one that there is not', async () => {
    const socket = clients[2](`${ioUrl(stack)}/custom`, { forceNew: true, query: { token: 'ä b&c', n: '1' } });
    stack.atEnd(() => {
    socket.io.skipReconnect = true; // a manager that is about to try again would go on for ever
    socket.close();
  });
    const [auth] = await happens(socket, 'auth');
    assert.deepEqual(auth, { token: 'ä b&c', n: '1' });
    const nowhere = socket.io.socket('/nowhere');
    assert.deepEqual(await happens(nowhere, 'error'), ['Invalid namespace']);
    socket.close();
  });

  it('version 2 comes back when its relay is killed, and speaks with the others', async () => {
    for (const transports of Object.values(ways)) {
      const socket = await connect(stack, 2, { transports });
      const { id } = socket;
      const back = happens(socket, 'connect');
      const home = socket.io.engine.id.split('.')[0];
      await stack.kill(home);
      await back;
      await stack.startPart(home);
      assert.notEqual(socket.id, id);
      assert.deepEqual(await emitAndGet(socket, 'message', 'again'), ['again']);
      socket.close();
    }
  });

  it('a handshake says it all at once, and lengths count as JavaScript does', async () => {
    const session = await Polling3.open(stack);
    assert.equal(session.first.headers['content-type'], 'text/plain; charset=UTF-8');
    assert.equal(session.firstPackets.length, 2);
    assert.equal(session.firstPackets[1], '40');
    const open = JSON.parse(session.firstPackets[0].slice(1));
    assert.deepEqual(Object.keys(open), ['sid', 'upgrades', 'pingInterval', 'pingTimeout', 'maxPayload']);
    assert.deepEqual(open.upgrades, ['websocket']);
    await session.packet('42["auth"');
    assert.equal((await session.say('42["message","ä茶😀"]', '2')).text, 'ok');
    assert.equal((await session.get()).text, '25:42["message-back","ä茶😀"]1:3');
    assert.equal((await session.say('1')).text, 'ok');
    assert.equal((await session.get()).text, '1:6', 'to a poll that crossed its farewell');
    assert.equal((await session.get()).status, 400);
  });

  it('pings are the client\'s, and answered, on a WebSocket too; the probe as well', async () => {
    const session = await Polling3.open(stack);
    await session.packet('42["auth"');
    const socket = new WebSocket(session.url.replace('http', 'ws').replace('polling', 'websocket'));
    const frames = [];
    socket.on('message', (data, isBinary) => frames.push(isBinary ? [...data] : String(data)));
    const hear = async () => {
      await eventually(() => frames.length, 'a frame');
      return frames.shift();
    };
    const closed = once(socket, 'close');
    await once(socket, 'open');
    socket.send('2probe');
    assert.equal(await hear(), '3probe');
    await session.say('451-["message",{"_placeholder":true,"num":0}]', 'b4AQID');
    socket.send('5');
    assert.match(await hear(), /^451-\["message-back",/);
    assert.deepEqual(await hear(), [4, 1, 2, 3], 'bytes behind their type');
    socket.send('2');
    assert.equal(await hear(), '3');
    socket.send('451-["message",{"_placeholder":true,"num":0}]');
    socket.send(Buffer.from([4, 9, 8]));
    assert.match(await hear(), /^451-/);
    assert.deepEqual(await hear(), [4, 9, 8]);
    socket.send(Buffer.from([7, 9, 8])); // no type
    assert.equal((await closed)[0], 1002);
    const text = new WebSocket(`${stack.wsUrl()}/socket.io/?EIO=3&transport=websocket&b64=1`);
    const all = [];
    text.on('message', (data, isBinary) => all.push(isBinary ? data : String(data)));
    await eventually(() => all.some((packet) => packet.startsWith?.('42["auth"')), 'the first words');
    assert.equal(all[1], '40');
    text.send('451-["message",{"_placeholder":true,"num":0}]');
    text.send('b4AQID');
    await eventually(() => all.at(-1) === 'b4AQID', 'base64 back');
    text.close();
  });

  it('bytes go as binary payloads, or as base64 where a client cannot take them', async () => {
    const session = await Polling3.open(stack);
    await session.packet('42["auth"');
    const event = Buffer.from('451-["message","ä茶😀",{"_placeholder":true,"num":0}]');
    const body = Buffer.concat([record(false, event), record(true, Buffer.from([4, 0, 255, 1])), record(false, Buffer.from('2'))]);
    assert.equal((await session.post(body, 'application/octet-stream')).text, 'ok');
    const answer = await session.get();
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    assert.deepEqual(answer.bytes, Buffer.concat([
      record(false, Buffer.from('451-["message-back","ä茶😀",{"_placeholder":true,"num":0}]')),
      record(true, Buffer.from([4, 0, 255, 1])), record(false, Buffer.from('3'))]));
    const modest = await Polling3.open(stack, '&b64=1');
    await modest.packet('42["auth"');
    await modest.say('451-["message",{"_placeholder":true,"num":0}]', 'b4AP8B');
    assert.deepEqual(packetsOf((await modest.get()).text),
      ['451-["message-back",{"_placeholder":true,"num":0}]', 'b4AP8B']);
  });

  it('a script may poll', async () => {
    const session = await Polling3.open(stack, '&b64=1&j=0');
    const run = (answer) => {
      assert.match(answer.headers['content-type'], /^text\/javascript/);
      let got;
      new Function('___eio', answer.text)([(payload) => { got = payload; }, (payload) => { got = payload; }]);
      return packetsOf(got);
    };
    const first = run(session.first);
    assert.equal(first[1], '40');
    session.sid = stack.keepSecret(JSON.parse(first[0].slice(1)).sid);
    const packet = '42["message","a\\\\nb ä"]'; // as a form: its own \n is doubled
    assert.equal((await session.post(`d=${encodeURIComponent(`${packet.length - 1}:${packet}`)}`,
      'application/x-www-form-urlencoded', '&j=1')).text, 'ok');
    assert.equal(run(await session.get('&j=1')).at(-1), '42["message-back","a\\nb ä"]');
  });

  it('what is no payload ends its session and nothing else', async () => {
    const other = await Polling3.open(stack);
    for (const body of ['', '1', ':', '2:4', '3:4a', 'x:2', '1:2x', '-1:2', '1:9', '1:😀', '9999999999:2', '3:b5A',
      '4:b4A=', '1:3', '99:42["message"]'])
      await refused(body, 'text/plain;charset=UTF-8');
    for (const bytes of [[], [0], [0, 1], [0, 255], [0, 1, 255], [0, 10, 255, 50], [1, 1, 255, 3], [1, 2, 255, 4],
      [0, ...Array(400).fill(1)], [0, 1, 255, 0x80]])
      await refused(Buffer.from(bytes), 'application/octet-stream');
    async function refused(body, type) {
      const session = await Polling3.open(stack);
      const answer = await session.post(body, type);
      const what = `${JSON.stringify(body)}: ${answer.status} ${answer.text}`;
      assert.equal(answer.status, 400, what);
      assert.equal((await session.get()).status, 400, what);
    }
    const empty = await other.post('0:0:1:20:');
    assert.equal(empty.text, 'ok', 'packets of no length are passed over');
    await other.packet('3');
  });

  it('a session keeps its version', async () => {
    const old = await Polling3.open(stack);
    assert.equal((await request(old.url.replace('EIO=3', 'EIO=4'))).text,
      '{"code":5,"message":"Unsupported protocol version"}');
    for (const query of ['EIO=5&transport=polling', 'transport=polling'])
      assert.equal((await request(`${stack.url}/socket.io/?${query}`)).text,
        '{"code":5,"message":"Unsupported protocol version"}');
  });

  it('any relay takes any request of theirs', async () => {
    const session = await Polling3.open(stack, '', 1);
    session.base = session.base.replace(ioUrl(stack, 1), ioUrl(stack, 2));
    await session.say('42["message","over there"]');
    assert.equal(await session.packet('42["message-back"'), '42["message-back","over there"]');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});

describe('the article\'s chat room, with a client of version 2 and one of version 4', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ settings: { ...NO_RATES } }); // as run.sh has it
  });
  after(() => stack?.remove());

  it('they hear each other, in the room, in rooms and alone, and leave', async () => {
    const lines = [];
    const old = await connect(stack, 2, { relay: 1 });
    old.on('message', (...args) => {
      assert.equal(args.length, 1, 'no argument that it does not know');
      lines.push(args[0]);
    });
    const heard = (content) => eventually(() => lines.find((line) => line.content === content), content);
    const names = [unique('old'), unique('new')];
    old.emit('message', names[0]);
    const young = await Chatter.enter(stack, names[1], { relay: 2 });
    await heard(`${names[1]}加入聊天室`);
    old.emit('message', stack.keepSecret('from version 2, 茶'));
    await young.heard('from version 2, 茶');
    await young.say('from version 4, 😀');
    await heard('from version 4, 😀');
    old.emit('message', stack.keepSecret(`@${names[1]} a whisper there`));
    await young.heard('a whisper there');
    await young.say(`@${names[0]} a whisper back`);
    await heard('a whisper back');
    const joined = happens(old, 'joined');
    old.emit('join', '红');
    assert.deepEqual(await joined, ['红']);
    await young.ask('join', '红');
    await young.say('only in red');
    await heard('only in red');
    const everything = happens(old, 'allMessages');
    old.emit('getAllMessages');
    assert.ok((await everything)[0].some((message) => message.content === 'from version 4, 😀'));
    const later = await connect(stack, 2);
    later.emit('message', names[0]);
    const [taken] = await happens(later, 'message');
    assert.match(taken.content, /已经被占用/);
    old.close();
    await eventually(async () => {
      later.emit('message', names[0]);
      return await stack.relayMetric('io_sockets') === 2 && (await ask(later, 'message', names[0]))[0].success;
    }, 'the name to be free');
    later.close();
  });

  it('the admin calls know it by the id that it knows itself', async () => {
    const socket = await connect(stack, 2, { nsp: '/news' });
    const call = (path, body) => request(`${stack.url}/api/io/${path}`, { method: 'POST', body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${stack.config().admin_token}`, 'Content-Type': 'application/json' } });
    const news = happens(socket, 'news');
    assert.equal((await call('emit', { ns: '/news', room: socket.id, event: 'news', args: ['tea', 7] })).status, 200);
    assert.deepEqual(await news, ['tea', 7], 'and no offset behind');
    assert.equal((await call('join', { ns: '/news', sid: socket.id, room: 'readers' })).status, 200);
    const again = happens(socket, 'news');
    await eventually(async () => {
      await call('emit', { ns: '/news', room: 'readers', event: 'news', args: ['in the room'] });
      return true;
    });
    assert.deepEqual(await again, ['in the room']);
    const end = happens(socket, 'disconnect');
    assert.equal((await call('disconnect', { ns: '/news', sid: socket.id })).status, 200);
    assert.deepEqual(await end, ['io server disconnect']);
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
