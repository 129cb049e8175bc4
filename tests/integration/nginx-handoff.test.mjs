// WebSockets that nginx hands over: the relay has the client's own socket, nginx nothing. And what nginx decides before
// that it still decides; where it cannot hand over, it proxies.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Client, assertSameList, assertWhole, enter, settle, unique } from './lib/client.mjs';
import { Raw, TEXT, frame, handshake } from './lib/raw.mjs';
import { NO_RATES, Stack, bin, eventually, freePort } from './lib/stack.mjs';

const missing = fs.existsSync(path.join(bin, 'ngx_http_chaguan_handoff_module.so')) && process.env.HANDOFF !== '0'
  ? false : 'nginx\' module was not built: no nginx-dev here, or HANDOFF=0';
const left = (nick) => `${nick} 离开了房间`;
const target = (seat) => `/?roomId=${seat.roomId}&nickId=${seat.nickId}`;

/** The first answer to raw bytes. */
async function answer(port, text) {
  const raw = await Raw.connect(port);
  raw.send(text);
  await raw.until(() => raw.status || raw.over, 'an answer');
  return raw;
}

/** Only its status. */
async function status(port, text) {
  const raw = await answer(port, text);
  raw.destroy();
  return raw.status;
}

/** nginx' workers, and how many sockets of clients they hold together. */
const workers = (stack) => execFileSync('pgrep', ['-P', String(stack.pid('nginx'))]).toString().split('\n')
  .filter(Boolean).map(Number);
function heldByNginx(stack) {
  const ours = new Set();
  const port = stack.port.toString(16).toUpperCase().padStart(4, '0');
  for (const line of fs.readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const words = line.trim().split(/\s+/);
    if (words[1]?.endsWith(`:${port}`) && words[3] === '01') ours.add(`socket:[${words[9]}]`);
  }
  let held = 0;
  for (const pid of workers(stack)) {
    for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
      try {
        if (ours.has(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))) held++;
      } catch {
        // closed meanwhile
      }
    }
  }
  return held;
}

// The same talk, however nginx does it.
for (const handoff of [1, 0]) {
  describe(`a chat through nginx, ${handoff ? 'handed over' : 'proxied'}`, { skip: handoff ? missing : false }, () => {
    let stack;
    before(async () => {
      stack = await Stack.start({ handoff, settings: { ...NO_RATES, grace_ms: '100ms', members_interval_ms: '20ms' } });
    });
    after(() => stack?.remove());

    it('an upgrade is one in however many lines and letters its client says so', async () => {
      const seat = await enter(stack, unique('room'), unique('nick'));
      const two = (...values) => handshake(target(seat), { Connection: undefined }).replace(/\r\n$/,
        `${values.map((value) => `Connection: ${value}\r\n`).join('')}\r\n`);
      for (const values of [['Upgrade'], ['keep-alive', 'Upgrade'], ['Upgrade', 'keep-alive'], ['Keep-Alive', 'upgrade'],
        ['keep-alive, Upgrade'], ['UPGRADE,keep-alive'], ['keep-alive', 'x', 'Upgrade, y']])
        assert.equal(await status(stack.port, two(...values)), 101, values.join(' | '));
      for (const values of [[], ['close'], ['upgraded'], ['x-upgrade, keep-alive']])
        assert.equal(await status(stack.port, two(...values)), 400, values.join(' | '));
      for (const slash of ['/chatroom/', '/chatroom'])
        assert.equal(await status(stack.port, handshake(target(seat).replace('/', slash), { Upgrade: 'WebSocket' })), 101);
    });

    it('people come, talk, read the history, are refused and leave', async () => {
      const roomName = unique('room');
      const people = [];
      for (let i = 0; i < 6; i++) people.push(await Client.join(stack, await enter(stack, roomName, unique('nick'))));
      await Promise.all(people.map((p) => p.present(...people.map((q) => q.seat.nick))));
      const contents = Array.from({ length: 20 },
        (_, i) => people[i % 6].say(unique(i === 7 ? '茶'.repeat(15_000) : 'talk')));
      for (const person of people) {
        await Promise.all(contents.map((content) => person.heard(content)));
        assertWhole(person);
      }
      const rows = await people[0].history();
      assertSameList(rows.filter((row) => row.log_user_name !== 'system').map((row) => row.log_content).sort(),
        [...contents].sort());
      people[1].sendRaw('{"type":');
      await people[1].next('error');
      people[2].sendRaw(Buffer.from([1, 2, 3]));
      assert.equal((await people[2].closed).code, 1003);
      await people[3].close();
      for (const gone of [people[2], people[3]]) await people[0].line(left(gone.seat.nick));
      const stranger =
        Client.dial(stack, `?roomId=${people[0].seat.roomId}&nickId=user_0123456789abcdef0123456789abcdef`);
      assert.deepEqual(await stranger.closed, { code: 1008, reason: 'Unknown user' });
      await settle(people[0], people[4], people[5]);
    });

    it('the relays know where clients come from, and how', async () => {
      const front = await stack.relayMetric('handoffs_front_total');
      assert.equal(handoff ? front > 0 : front === 0, true, `${front} handed over`);
      assert.equal(/^load_module/m.test(stack.read('nginx/nginx.conf')), Boolean(handoff));
      const seat = await enter(stack, unique('room'), unique('far'));
      const lies = { 'X-Forwarded-For': '203.0.113.77', 'X-Real-IP': '203.0.113.77', Forwarded: 'for=203.0.113.77',
        'X-Forwarded-Proto': 'https' };
      const client = await Client.join(stack, seat, { options: { localAddress: '127.0.0.77', headers: lies } });
      const logs = ['relay1.log', 'relay2.log'].map((name) => stack.read(name)).join('');
      assert.match(logs, /event=conn\.open [^\n]*peer="127\.0\.0\.77"/);
      assert.doesNotMatch(Object.values(stack.logs()).join(''), /203\.0\.113\.77/);
      await client.close();
    });

    it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
  });
}

describe('WebSockets that nginx hands over', { skip: missing }, () => {
  let stack, seat;
  /** Clients in one new room, through nginx. */
  const gather = async (count) => {
    const roomName = unique('room');
    const people = [];
    for (let i = 0; i < count; i++) people.push(await Client.join(stack, await enter(stack, roomName, unique('nick'))));
    return people;
  };
  const relaySockets = () => [1, 2].map((n) => stack.file(`relay${n}.sock`)).join(' ');
  /** Another server in the run's nginx, as an administrator might have one; gives its port. */
  const serve = async (lines, { http = '', listen = '' } = {}) => {
    const port = await freePort();
    fs.writeFileSync(stack.file('nginx/extra.conf'),
      `${http}\nserver {\n listen 127.0.0.1:${port}${listen};\n error_log /dev/null;\n` +
      ` proxy_http_version 1.1;\n location @proxied {\n proxy_pass http://chaguan_relays; proxy_set_header Upgrade ` +
      `websocket;\n` +
      ` proxy_set_header Connection upgrade; proxy_set_header X-Forwarded-For $remote_addr; }\n${lines}\n}\n`);
    const site = stack.read('nginx/chaguan.conf');
    if (!site.includes('extra.conf'))
      fs.appendFileSync(stack.file('nginx/chaguan.conf'), `include ${stack.file('nginx/extra.conf')};\n`);
    process.kill(stack.pid('nginx'), 'SIGHUP');
    await eventually(() => Raw.connect(port).then((raw) => raw.destroy() ?? true), 'the other server');
    return port;
  };
  const front = (n) => stack.metric(`relay${n}`, 'handoffs_front_total');
  before(async () => {
    stack = await Stack.start({ settings: { ...NO_RATES, grace_ms: '200ms', members_interval_ms: '20ms',
      lease_ms: '1500ms', address_connections_max: 0, drain_ms: '500ms', user_sockets_max: 0 } });
  });
  beforeEach(async () => {
    await stack.up(); // brings back what a failed test left dead
    seat = await enter(stack, unique('room'), unique('nick'));
  });
  after(() => stack?.remove());

  it('go to all relays, and nginx keeps nothing of them; its log says 101', async () => {
    const before = [await front(1), await front(2)];
    const people = await gather(12);
    const now = [await front(1), await front(2)];
    assert.equal(now[0] + now[1] - before[0] - before[1], 12);
    for (const i of [0, 1]) assert.ok(now[i] - before[i] >= 3, `${now[i] - before[i]} of 12 for relay ${i + 1}`);
    await eventually(() => heldByNginx(stack) === 0, 'nginx to hold no client');
    await settle(...people);
    await eventually(() => /path="\/" status=101 /.test(stack.read('nginx.access.log')),
      'its log, which nginx writes once a second');
    for (const person of people) await person.close();
  });

  it('come with what the client sent right behind its handshake, ' +
    'on a connection that had requests before', async () => {
    const said = stack.keepSecret(unique('early'));
    const early = frame(TEXT, JSON.stringify({ type: 'message', content: said }));
    const raw = await Raw.connect(stack.port);
    raw.send('GET /mysql/nothing HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.until(() => raw.status && /\r\n\r\n[^]*\}/.test(raw.text), 'the first answer');
    raw.bytes = Buffer.alloc(0);
    raw.send(Buffer.concat([Buffer.from(`GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n${handshake(target(seat))}`), early]));
    await raw.until(() => raw.text.includes(' 101 ') && raw.text.includes(said), 'the echo of the early message');
    assert.match(raw.text, /^HTTP\/1\.1 404 /);
    raw.destroy();
  });

  it('whoever was refused by the relay gets no further, whatever he sends', async () => {
    for (const path of ['/nope', `/${'x'.repeat(300)}`]) {
      const raw = await answer(stack.port,
        `${handshake(path)}GET /metrics HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n`);
      raw.send('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
      await raw.end();
      assert.ok(raw.status >= 400, `${raw.status}`);
      assert.equal(raw.text.match(/HTTP\/1\.1/g).length, 1);
      assert.doesNotMatch(raw.text, /chaguan_/);
    }
  });

  it('a reload, and an end and a new start of nginx, in the middle of talk: nobody notices', async () => {
    const rooms = [];
    for (let i = 0; i < 8; i++) rooms.push(await gather(6));
    const people = rooms.flat();
    let talking = true;
    const talk = async ([first, ...others]) => {
      while (talking) {
        const content = first.say(unique('talk'));
        await Promise.all([first, ...others].map((p) => p.heard(content)));
      }
    };
    const talks = rooms.map(talk);
    const further = async () => {
      const soFar = rooms.map(([first]) => first.said.length);
      await Promise.all(rooms.map(([first], i) => first.until(() => first.said.length > soFar[i] + 20,
        'the talk to go on')));
    };
    for (let i = 0; i < 3; i++) {
      const old = workers(stack);
      await stack.reload('nginx');
      await eventually(() => !workers(stack).some((pid) => old.includes(pid)), 'new workers');
      await further();
      rooms[i].push(await Client.join(stack, await enter(stack, rooms[i][0].seat.roomName, unique('late'))));
    }
    await stack.kill('nginx', 'QUIT');
    await eventually(() => stack.exitStatus('nginx') !== undefined, 'nginx to end');
    await further();
    await stack.startPart('nginx');
    await further();
    talking = false;
    await Promise.all(talks);
    for (const person of people) {
      assert.equal(person.closeInfo, undefined);
      assertWhole(person);
    }
    for (const person of rooms.flat()) await person.close();
  });

  it('a relay that is killed: its clients come back to the other one, and new ones to it once it is back', async () => {
    const people = await gather(8);
    await stack.kill('relay2', 'KILL');
    await eventually(() => people.some((p) => p.closeInfo), 'the relay\'s clients to be cut');
    const before = await front(1);
    const again = await gather(6);
    assert.equal((await front(1)) - before, 6);
    await stack.startPart('relay2');
    await eventually(async () => {
      const client = await Client.connect(stack, seat);
      await client.close();
      return (await front(2)) > 0;
    }, 'new clients on the relay that is back');
    await settle(...again);
    assert.match(stack.read('nginx.log'), /relay2\.sock\.front takes no clients/);
    for (const person of [...people, ...again]) await person.close();
  });

  it('while a relay drains and starts again, every handshake that comes gets its 101', async () => {
    let coming = true, count = 0;
    const come = async () => {
      while (coming) {
        const raw = await answer(stack.port, handshake(target(seat)));
        assert.equal(raw.status, 101, raw.text.slice(0, 100));
        count++;
        raw.destroy();
      }
    };
    const all = [come(), come(), come(), come()];
    for (let i = 0; i < 2; i++) {
      await stack.stopPart('relay1');
      await stack.startPart('relay1');
    }
    const soFar = count;
    await eventually(() => count > soFar + 20, 'more handshakes');
    coming = false;
    await Promise.all(all);
  });

  it('what nginx gave to a relay that drains, before it could know, ' +
    'is let in and sent on like everybody there', async () => {
    const soFar = await front(1);
    await eventually(async () => (await status(stack.port, handshake(target(seat)))) === 101
      && (await front(1)) > soFar,
      'nginx to try the relay that was just started');
    const evened = () => stack.metric('relay2', 'handoffs_evened_total'); // for all that it knows, the other has fewer
    const before = await front(2), evenedBefore = await evened();
    await stack.kill('relay1', 'STOP');
    const comers = await Promise.all(Array.from({ length: 40 }, () => Raw.connect(stack.port)));
    comers.forEach((raw, i) => raw.send(handshake(i % 2 ? target(seat) : '/socket.io/?EIO=4&transport=websocket')));
    await eventually(async () => (await front(2)) >= before + 10 && heldByNginx(stack) === 0,
      'nginx to have given them away');
    await stack.stopPart('relay1'); // SIGTERM, and then it goes on
    for (const raw of comers) await raw.until(() => raw.status, 'an answer');
    assert.deepEqual([...new Set(comers.map((raw) => raw.status))], [101]);
    const sentOn = () => comers.filter((raw) => raw.closeCode === 1012).length;
    await eventually(async () => sentOn() === comers.length - (await front(2)) + before + (await evened()) - evenedBefore,
      'those who were let in to be told to come back');
    assert.ok(sentOn() >= 10, `${sentOn()} of ${comers.length}`);
    for (const raw of comers) raw.destroy();
    await stack.startPart('relay1');
  });

  it('no relay at all: 502, and as soon as there is one again it gets them', async () => {
    await stack.kill('relay1', 'KILL');
    await stack.kill('relay2', 'KILL');
    assert.equal(await status(stack.port, handshake(target(seat))), 502);
    await stack.startPart('relay1');
    await stack.startPart('relay2');
    const client = await Client.join(stack, seat);
    assert.equal((await front(1)) + (await front(2)), 1, 'handed over, though both were just known to be dead');
    await client.close();
  });

  it('10,000 at once: all of them hear what one says, and nginx holds none', async () => {
    const crowd = [];
    const dial = async () => {
      while (crowd.length < 10_000) {
        const place = crowd.push(undefined) - 1;
        crowd[place] = await Raw.seat(stack.port, seat);
      }
    };
    await Promise.all(Array.from({ length: 100 }, dial));
    await eventually(() => heldByNginx(stack) === 0, 'nginx to hold no client');
    const counts = [await stack.metric('relay1', 'connections'), await stack.metric('relay2', 'connections')];
    assert.ok(Math.min(...counts) >= 1000, `both have many of them: ${counts}`);
    const said = stack.keepSecret(unique('all'));
    crowd[0].send(frame(TEXT, JSON.stringify({ type: 'message', content: said })));
    await Promise.all(crowd.map((raw) => raw.until(() => raw.text.includes(said), 'the message')));
    for (const raw of crowd) raw.destroy();
    await eventually(async () => (await stack.relayMetric('connections')) === 0, 'all to be gone');
  });

  it('slow clients are nginx\' until their head is whole, and the relay\'s then; ' +
    'others do not wait for them', async () => {
    const slow = await Promise.all(Array.from({ length: 20 }, () => Raw.connect(stack.port)));
    for (const [i, raw] of slow.entries()) raw.send(handshake(target(seat)).slice(0, 20 + 7 * i));
    const deaf = await Raw.seat(stack.port, seat);
    deaf.socket.pause();
    const others = await gather(2);
    await settle(...others);
    const bytes = await Raw.connect(stack.port);
    for (const byte of handshake(target(seat))) {
      bytes.send(byte);
      await new Promise(setImmediate);
    }
    await bytes.until(() => bytes.status, 'the handshake');
    assert.equal(bytes.status, 101);
    for (const raw of [...slow, deaf, bytes]) raw.destroy();
    for (const other of others) await other.close();
  });

  it('a client that leaves at once, or with its handshake half said, harms nobody', async () => {
    for (let i = 0; i < 50; i++) {
      const raw = await Raw.connect(stack.port);
      raw.send(handshake(target(seat)));
      if (i % 2) raw.socket.resetAndDestroy();
      else raw.destroy();
    }
    await eventually(async () => (await stack.relayMetric('connections')) === 0, 'all to be gone');
    const others = await gather(2);
    await settle(...others);
    for (const other of others) await other.close();
  });

  it('h2c and other upgrades, other methods and bodies get no 101 and no tunnel', async () => {
    const cases = [
      handshake(target(seat), { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings',
        'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA' }),
      handshake(target(seat), { Upgrade: 'h2c, websocket' }),
      handshake(target(seat), { Upgrade: 'websocket\r\nUpgrade: h2c' }),
      handshake(target(seat), {}, 'POST'), handshake(target(seat), { 'Content-Length': '3' }) + 'abc',
      handshake(target(seat), { 'Transfer-Encoding': 'chunked' }) + '0\r\n\r\n',
    ];
    const bare = await serve(
      ` location / { chaguan_handoff ${relaySockets()}; }\n location /with/ { rewrite ^/with(/.*)$ $1 break;\n` +
      ` chaguan_handoff ${relaySockets()} fallback=@proxied; }`);
    for (const port of [stack.port, bare]) {
      for (const text of cases) {
        const raw = await answer(port, text);
        assert.notEqual(raw.status, 101, text);
        assert.doesNotMatch(raw.text, /chaguan_/);
        raw.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
        raw.destroy();
      }
    }
    assert.equal(await status(bare, handshake(target(seat), {}, 'GET', 'HTTP/1.0')), 502, 'not of this version');
    assert.equal(await status(bare, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 400, 'no handshake at all');
    assert.equal(await status(bare, handshake(target(seat))), 101);
    assert.equal(await status(bare, handshake(`/with${target(seat)}`)), 101, 'a rewritten path');
    assert.equal(await status(bare, handshake('/with/a%20b%2f%25')), 404, 'without a room nobody has such a path');
    assert.equal(await status(bare,
      handshake(target(seat), { 'X-Long': 'y'.repeat(7000), 'X-Longer': 'z'.repeat(7000) })), 101, 'what nginx takes');
  });

  it('limit_req, allow and deny and auth_request decide before', async () => {
    const give = `chaguan_handoff ${relaySockets()} fallback=@proxied;`;
    const port = await serve(` location /limited { rewrite ^/limited(.*)$ /$1 break; limit_req zone=few; ${give} }\n` +
      ` location /denied { deny all; ${give} }\n location /asked { auth_request /ask; rewrite ^ / break; ${give} }\n` +
      ' location = /ask { internal; if ($http_x_key = open) { return 204; } return 403; }',
    { http: 'limit_req_zone $binary_remote_addr zone=few:1m rate=1r/m;' });
    const at = (path, headers) => status(port, handshake(path + target(seat).slice(1), headers));
    const before = (await front(1)) + (await front(2));
    assert.deepEqual([await at('/limited'), await at('/limited')], [101, 503]);
    assert.equal(await at('/denied'), 403);
    assert.equal(await at('/asked'), 403);
    assert.equal((await front(1)) + (await front(2)) - before, 1, 'the relays never see who may not');
    assert.equal(await at('/asked', { 'X-Key': 'open' }), 101);
  });

  it('TLS cannot be handed over: it is proxied', async () => {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
      '-days', '2', '-subj', '/CN=localhost',
      '-keyout', stack.file('tls.key'), '-out', stack.file('tls.crt')], { stdio: 'ignore' });
    await stack.give('tls.key', 'tls.crt');
    const port =
      await serve(` ssl_certificate ${stack.file('tls.crt')};\n ssl_certificate_key ${stack.file('tls.key')};\n` +
      ` location / { chaguan_handoff ${relaySockets()} fallback=@proxied; }`, { listen: ' ssl' });
    const before = (await front(1)) + (await front(2));
    const { default: WebSocket } = await import('ws');
    const ws = new WebSocket(`wss://127.0.0.1:${port}${target(seat)}`, { rejectUnauthorized: false });
    await new Promise((resolve, reject) => ws.once('message', resolve).once('error', reject));
    ws.close();
    assert.equal((await front(1)) + (await front(2)), before);
  });

  it('relays that are told not to take sockets get them proxied', async () => {
    for (const n of [1, 2]) {
      await stack.stopPart(`relay${n}`);
      await stack.startPart(`relay${n}`, '--set', 'listen_front=0');
    }
    const people = await gather(4);
    await settle(...people);
    assert.equal((await front(1)) + (await front(2)), 0);
    for (const person of people) await person.close();
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
