// The connection that comes back: its delays, and when it gives up. With a false WebSocket and false timers.
import assert from 'node:assert/strict';
import test from 'node:test';
import { backoff, Connection, socketUrl } from '../../web/js/socket.js';

function stage() {
  const sockets = [];
  const timers = new Map();
  let id = 0;
  const log = [];
  class FakeSocket {
    constructor(url) {
      this.url = url;
      this.readyState = 0;
      this.bufferedAmount = 0;
      this.sent = [];
      sockets.push(this);
    }
    send(text) { this.sent.push(text); }
    close() { this.closed = true; this.readyState = 3; }
    opens() { this.readyState = 1; this.onopen(); }
    dies(code, reason = '') { this.readyState = 3; this.onclose({ code, reason }); }
  }
  const connection = new Connection('ws://h/', {
    onState: (state, ms) => log.push(state === 'waiting' ? `waiting ${ms}` : state),
    onOpen: () => log.push('up'),
    onFrame: (f) => log.push(`frame ${f}`),
    onLost: (code) => log.push(`lost ${code}`),
    onRefused: (reason) => log.push(`refused ${reason}`),
  }, {
    WebSocket: FakeSocket,
    setTimeout: (f, ms) => { timers.set(++id, { f, ms }); return id; },
    clearTimeout: (t) => timers.delete(t),
    random: () => 1,
  });
  const fire = () => {
    const [[key, timer]] = timers;
    timers.delete(key);
    timer.f();
  };
  return { connection, sockets, timers, log, fire };
}

test('delays double to a ceiling, never below a floor, spread by chance', () => {
  assert.deepEqual([0, 1, 2, 3].map((n) => backoff(n, () => 1)), [500, 1000, 2000, 4000]);
  assert.equal(backoff(50, () => 1), 20000);
  assert.equal(backoff(50, () => 0), 150);
  const spread = new Set(Array.from({ length: 100 }, () => backoff(5)));
  assert.ok(spread.size > 50);
});

test('the address follows the page, http to ws and https to wss, and leaves the hash behind', () => {
  assert.equal(socketUrl(new URL('http://h:7005/#room=x'), 'room_1', 'user_&2'),
    'ws://h:7005/?roomId=room_1&nickId=user_%262');
  assert.equal(socketUrl(new URL('https://h/a/b?c'), 'r', 'u'), 'wss://h/?roomId=r&nickId=u');
});

for (const code of [1000, 1001, 1006, 1009, 1011, 1012, 1013, 4000]) {
  test(`close ${code}: tries again`, () => {
    const s = stage();
    s.connection.start();
    s.sockets[0].opens();
    s.sockets[0].dies(code);
    assert.deepEqual(s.log, ['connecting', 'open', 'up', `lost ${code}`, 'waiting 500']);
    s.fire();
    assert.equal(s.sockets.length, 2);
  });
}

test('close 1008: stops for good and tells the reason', () => {
  const s = stage();
  s.connection.start();
  s.sockets[0].opens();
  s.sockets[0].dies(1008, 'not a member');
  assert.deepEqual(s.log.slice(3), ['lost 1008', 'stopped', 'refused not a member']);
  assert.equal(s.timers.size, 0);
  s.connection.retryNow();
  assert.equal(s.sockets.length, 1);
});

test('the delay grows until the server has proved useful, not merely open', () => {
  const s = stage();
  s.connection.start();
  for (const ms of [500, 1000, 2000]) {
    s.sockets.at(-1).opens();
    s.sockets.at(-1).dies(1006);
    assert.equal(s.log.at(-1), `waiting ${ms}`);
    s.fire();
  }
  s.sockets.at(-1).opens();
  s.connection.proved();
  s.sockets.at(-1).dies(1006);
  assert.equal(s.log.at(-1), 'waiting 500');
});

test('a handshake that hangs is given up; what the old socket says later is not heard', () => {
  const s = stage();
  s.connection.start();
  s.fire();
  assert.equal(s.sockets[0].closed, true);
  s.fire();
  s.sockets[0].onclose({ code: 1006, reason: '' });
  s.sockets[0].onmessage({ data: 'late' });
  assert.deepEqual(s.log, ['connecting', 'lost 1006', 'waiting 500', 'connecting']);
});

test('retryNow ends the waiting, and makes no second socket', () => {
  const s = stage();
  s.connection.start();
  s.sockets[0].dies(1006);
  s.connection.retryNow();
  s.connection.retryNow();
  assert.equal(s.sockets.length, 2);
});

test('send says no unless the socket is open and takes it', () => {
  const s = stage();
  assert.equal(s.connection.send('x'), false);
  s.connection.start();
  assert.equal(s.connection.send('x'), false);
  s.sockets[0].opens();
  assert.equal(s.connection.send('x'), true);
  s.sockets[0].bufferedAmount = 2 << 20;
  assert.equal(s.connection.send('x'), false);
  assert.deepEqual(s.sockets[0].sent, ['x']);
});

test('stop leaves no timer and no open socket', () => {
  const s = stage();
  s.connection.start();
  s.connection.stop();
  assert.equal(s.sockets[0].closed, true);
  assert.equal(s.timers.size, 0);
  s.connection.retryNow();
  assert.equal(s.sockets.length, 1);
});
