// Socket.IO's clients are spread evenly over the relays, however they come, also after a relay was away; and nginx does
// that over connections that stay. SPREAD_CLIENTS=1000 node --test … is the long form: 1,000 clients of each kind.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { io } from 'socket.io-client';
import { Polling, ioUrl } from './lib/io.mjs';
import { NO_RATES, Stack, bin, eventually, request } from './lib/stack.mjs';

const RELAYS = 4;
const COUNT = Number(process.env.SPREAD_CLIENTS ?? 80);
const AT_ONCE = 40;
/** So many clients come between two words of the relays about how many they have. */
const COMING = 10, WORD_MS = 120;
const hasModule = fs.existsSync(path.join(bin, 'ngx_http_chaguan_handoff_module.so')) && process.env.HANDOFF !== '0';
const kinds = [['on polling', ['polling']], ['that upgrade', ['polling', 'websocket']], ['of WebSockets', ['websocket']]];

/** Runs `act` for all, a few at once. */
async function inBatches(all, act) {
  for (let i = 0; i < all.length; i += AT_ONCE) await Promise.all(all.slice(i, i + AT_ONCE).map(act));
}

/** Resolves once the client is connected, and no longer on its way from one transport to another. */
function settled(socket, transports) {
  return new Promise((resolve) => {
    const look = () => {
      const engine = socket.io.engine;
      if (!socket.connected) socket.once('connect', look);
      else if (engine.transport.name !== transports.at(-1)) engine.once('upgrade', () => setImmediate(look));
      else resolve();
    };
    look();
  });
}

for (const handoff of hasModule ? [1, 0] : [0]) {
  describe(`clients of Socket.IO through nginx, WebSockets ${handoff ? 'handed over' : 'proxied'}`, () => {
    let stack;
    let stopped = false;
    const all = new Set(); // clients of this test
    before(async () => {
      stack = await Stack.start({ relays: RELAYS, handoff, settings: { ...NO_RATES, io_app: 'echo', log_level: 'info',
        address_connections_max: 0, lease_ms: '1500ms' } });
      // A second way, which knows no homes: a balancer that takes the relays in turn.
      const site = stack.read('nginx/chaguan.conf');
      fs.writeFileSync(stack.file('nginx/chaguan.conf'), site.replace(/^(\s*)location @chaguan_relay \{/m,
        'location /elsewhere/ { proxy_pass http://chaguan_newcomers/; }\n$&'));
      process.kill(stack.pid('nginx'), 'SIGHUP');
      await eventually(async () => (await request(`${stack.url}/elsewhere/socket.io/?EIO=4`)).status === 400, 'that way');
    });
    afterEach(async () => {
      for (const socket of all) socket.disconnect();
      all.clear();
      if (stopped) return;
      await eventually(async () => (await total('eio_connections')) === 0, 'all to be gone');
      await asked((more) => more.every(Boolean), 'nginx to ask each relay');
    });
    after(() => stack?.remove());

    /** Until enough relays are asked by nginx, which leaves one that was away alone for a while. */
    const asked = (enough, what) => eventually(async () => {
      const before = await perRelay('eio_refused_total');
      for (let i = 0; i < 2 * RELAYS; i++) await request(`${stack.url}/socket.io/?EIO=4`);
      return enough((await perRelay('eio_refused_total')).map((n, i) => n > before[i]));
    }, what);

    const perRelay = async (metric) =>
      Promise.all(Array.from({ length: RELAYS }, (_, n) => stack.metric(`relay${n + 1}`, metric)));
    const total = async (metric) => (await perRelay(metric)).reduce((sum, n) => sum + n, 0);
    const connect = async (count, transports) => {
      const sockets = [];
      const one = async () => {
        const socket = io(ioUrl(stack), { forceNew: true, transports, reconnectionDelay: 50, reconnectionDelayMax: 300 });
        sockets.push(socket);
        all.add(socket);
        await settled(socket, transports);
      };
      for (let left = count; left > 0; left -= COMING) {
        await Promise.all(Array.from({ length: Math.min(left, COMING) }, one));
        await new Promise((resolve) => setTimeout(resolve, WORD_MS)); // they do not all come in one moment
      }
      return sockets;
    };
    const assertEven = async (count, when) => {
      await eventually(async () => (await total('eio_connections')) === count, `${count} connections`);
      const have = await perRelay('eio_connections'), share = count / RELAYS;
      for (const n of have) // of few, as many as come between two words of the relays are more than a fifth
        assert.ok(Math.abs(n - share) <= Math.max(0.2 * share, COMING), `${when}: ${have} are not even`);
    };

    for (const [kind, transports] of kinds) {
      it(`${COUNT} ${kind} are even, and so they are when a relay has been away`, async () => {
        const sockets = await connect(COUNT, transports);
        await assertEven(COUNT, 'at first');
        await stack.kill('relay2');
        await eventually(async () => {
          const have = await Promise.all([1, 3, 4].map((n) => stack.metric(`relay${n}`, 'eio_connections')));
          return have.reduce((sum, n) => sum + n, 0) === COUNT;
        }, 'all to be with the three others');
        await stack.startPart('relay2');
        await asked(([, second]) => second, 'nginx to ask the relay that is back');
        sockets.push(...await connect(Math.round(COUNT / 3), transports)); // the relay that is new gets them
        await Promise.all(sockets.map((socket) => settled(socket, transports)));
        await assertEven(sockets.length, 'after its return');
      });
    }

    it('what a client on polling asks goes over connections that nginx has', async () => {
      const sockets = await connect(AT_ONCE, ['polling']);
      const ask = (socket) => new Promise((resolve) => socket.emit('message-with-ack', 1, resolve));
      for (let round = 0; round < 10; round++) await inBatches(sockets, ask); // as many connections as it takes
      const before = { opened: await total('http_accepted_total'), given: await total('handoffs_given_total'),
        asked: await total('eio_polls_total') + await total('eio_posts_total') };
      for (let round = 0; round < 10; round++) await inBatches(sockets, ask);
      const asked = await total('eio_polls_total') + await total('eio_posts_total') - before.asked;
      const opened = await total('http_accepted_total') - before.opened - 6 * RELAYS; // these six questions are some
      assert.ok(asked >= 10 * AT_ONCE, `${asked} requests`);
      assert.ok(opened <= asked / 8, `${opened} new connections for ${asked} requests`); // some more at once than before; a fault makes it most of them
      assert.equal(await total('handoffs_given_total'), before.given, 'and none comes to the wrong relay');
    });

    it('a relay that gives a request away does not give away nginx\' connection with it', async () => {
      const session = await Polling.joined(stack);
      const [home, sid] = session.sid.split('.');
      assert.match(home, /^relay[1-4]$/);
      assert.equal(sid.length, 44);
      const named = session.base;
      session.base = named.replace('/socket.io/', '/elsewhere/socket.io/');
      const given = await total('handoffs_given_total');
      for (let i = 0; i < 24; i++) {
        await session.post(`42["message",${i}]`);
        assert.equal(await session.packet('42["message-back"'), `42["message-back",${i}]`);
      }
      assert.ok(await total('handoffs_given_total') > given + 10);
      session.base = named;
      await session.post('1');
      const homes = {};
      for (let i = 0; i < 40; i++) { // had nginx' connections stayed with that relay, these would come to it, too
        const other = await Polling.open(stack);
        const name = other.sid.split('.')[0];
        await other.post('1');
        homes[name] = (homes[name] ?? 0) + 1;
      }
      assert.ok(Object.values(homes).length === RELAYS && Math.min(...Object.values(homes)) >= 6, JSON.stringify(homes));
    });

    it('of a relay that is gone nginx asks another one, which says so', async () => {
      const sessions = [];
      while (!sessions.some((session) => session.sid.startsWith('relay3.'))) sessions.push(await Polling.joined(stack));
      await stack.kill('relay3');
      await stack.startPart('relay3');
      const answer = await sessions.at(-1).get();
      assert.equal(answer.status, 400);
      assert.deepEqual(JSON.parse(answer.text), { code: 1, message: 'Session ID unknown' });
      for (const session of sessions) await session.post('1');
    });

    it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => {
      stopped = true;
      return stack.checkAndStop();
    });
  });
}
