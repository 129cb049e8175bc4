// The attacks. Each is one process without an account against a server with its default settings, and stands for a kind:
// a row says what it asks of the server, and its neighbours ask the same of other protocols. `short`: part of `make test`.
import WebSocket from 'ws';
import { unique } from './tools.mjs';

const upgrade = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n` +
  `Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n${more}\r\n`;

const text = (n) => 'x'.repeat(n);
const say = (seat, content) => JSON.stringify({ type: 'message', content, sendUserName: seat.nick,
  sendUserId: seat.nickId, sendRoom: seat.roomId, sendTime: '2024-02-29 12:34:56' });

/** Rooms that have a history worth asking for. */
async function filledRoom(attacker, messages, bytes) {
  const seat = await attacker.seat(unique('filled'), unique('n'));
  const ws = await attacker.ws(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`);
  for (let i = 0; i < messages && ws.readyState === WebSocket.OPEN; i++) {
    ws.send(say(seat, `${i} ${text(bytes)}`));
    if (i % 20 === 19) await attacker.pause(150);
  }
  return { seat, ws };
}

export const attacks = [
  // ---- answers that belong to another command --------------------------------------------------------------------
  {
    name: 'two-rooms-repeats',
    kind: 'one client sends into two rooms, half of it repeats of client ids, so that commits are slow and posts wait',
    short: true,
    async run(a) {
      const [one, two] = [await a.seat(unique('r'), unique('n')), await a.seat(unique('r'), unique('n'))];
      await a.post('/api/createChatroom', { chatroomName: unique('r'), nickName: one.nick, headNum: 1 });
      const clients = await Promise.all(Array.from({ length: 8 }, async (_, i) =>
        a.native(i % 2 ? one : two, { rooms: [(i % 2 ? one : two).roomId] })));
      await Promise.all(clients.map((ws, at) => a.pour(ws, (i) => JSON.stringify({ id: i + 10, cmd: i % 7 ? 'send' : 'edit',
        room: (at % 2 ? one : two).roomId, seq: 1 + (i % 50), content: text(200), client_id: `c${at % 3}-${i >> 1}` }))));
    },
  },
  {
    name: 'flood-chatroom',
    kind: 'one connection says as much as its socket takes: rows that are stored for ever',
    short: true,
    async run(a) {
      const seat = await a.seat(unique('r'), unique('n'));
      await Promise.all(Array.from({ length: 4 }, async () => {
        const ws = await a.ws(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`);
        await a.pour(ws, (i) => say(seat, `${i} ${text(8000)}`));
      }));
    },
  },
  {
    name: 'flood-spaces-friends',
    kind: 'the same by protocols that store nothing, or to somebody who is not there',
    async run(a) {
      const [one, two] = [await a.friend(unique('f')), await a.friend(unique('f'))];
      const { json } = await a.post('/api/friends', { user1: one, user2: two });
      const frame = JSON.stringify({ friend: json?.data?.friendId, from: one, to: two, content: text(4000), type: 'text' });
      await Promise.all(Array.from({ length: 4 }, async () => a.pour(await a.ws(`/ws/${one}`), () => frame)));
    },
  },

  // ---- work without a price --------------------------------------------------------------------------------------
  {
    name: 'unread-repeated',
    kind: '60 sockets ask again and again for the unread of one room, named a hundred times',
    short: true,
    async run(a) {
      const seat = await a.seat(unique('r'), unique('n'));
      const ask = JSON.stringify({ id: 7, cmd: 'unread', rooms: Array(100).fill(seat.roomId) });
      const clients = [];
      for (let i = 0; i < 60; i++) clients.push(await a.native(seat));
      await Promise.all(clients.map((ws) => a.pour(ws, () => ask)));
    },
  },
  {
    name: 'history-repeated',
    kind: 'the same with history, members and joins of rooms that are not there',
    async run(a) {
      const { seat } = await filledRoom(a, 100, 500);
      const asks = [{ cmd: 'history', room: seat.roomId, limit: 200 }, { cmd: 'members', room: seat.roomId },
        { cmd: 'join', room: `room_${'0'.repeat(32)}` }, { cmd: 'read', room: seat.roomId, seq: 1 }];
      const clients = [];
      for (let i = 0; i < 30; i++) clients.push(await a.native(seat, { rooms: [seat.roomId] }));
      await Promise.all(clients.map((ws) => a.pour(ws, (i) => JSON.stringify({ id: i, ...asks[i % asks.length] }))));
    },
  },
  {
    name: 'io-joins',
    kind: 'six Socket.IO connections join rooms as fast as they can: Redis scripts that grow with the rooms of a socket',
    short: true,
    async run(a) {
      const clients = [];
      for (let i = 0; i < 6; i++) clients.push(await a.io());
      await Promise.all(clients.map((ws, at) => a.pour(ws, (i) => `42["join","room-${at}-${i}"]`)));
    },
  },
  {
    name: 'io-connects',
    kind: 'Socket.IO sockets that come and go: names, rooms and what could be recovered for each',
    async run(a) {
      await a.flood(30, async () => {
        const ws = await a.io();
        ws.send(`42["message","${unique('name')}"]`);
        ws.send(`42["join","${unique('room')}"]`);
        ws.terminate();
      });
    },
  },
  {
    name: 'sign-ups',
    kind: 'eight parallel sign-ups with passwords: hashes that cost the server and not the asker',
    short: true,
    async run(a) {
      await a.flood(8, () => a.post('/api/users', { name: unique('u'), password: unique('long password ') }));
    },
  },
  {
    name: 'wrong-passwords',
    kind: 'the same by logins of users that are and are not there',
    async run(a) {
      const name = unique('u');
      await a.post('/api/users', { name, password: unique('long password ') });
      await a.flood(16, (i) => a.post('/api/login', { nickName: i % 2 ? name : unique('u'), password: `wrong ${i}` }));
    },
  },
  {
    name: 'forced-friends',
    kind: 'friendships forced on a stranger, who then comes again and again',
    short: true,
    async run(a) {
      const stranger = await a.friend(unique('stranger'));
      await Promise.all([
        a.flood(24, async () => {
          const { json } = await a.post('/api/users', { name: unique('f') });
          if (json?.data) await a.post('/api/friends', { user1: json.data.userId, user2: stranger });
        }),
        a.flood(2, async () => {
          const ws = await a.ws(`/ws/${stranger}`);
          await a.pause(100);
          ws.terminate();
        }),
      ]);
    },
  },
  {
    name: 'rooms-for-ever',
    kind: 'REST calls that make rows: rooms, users, spaces, accounts',
    async run(a) {
      await a.flood(24, (i) => [
        () => a.post('/api/createChatroom', { chatroomName: unique('r'), nickName: unique('n'), headNum: 1 }),
        () => a.post('/api/login', { nickName: unique('n') }),
        () => a.post('/users/register', { account: unique('a'), app_sid: 'x', username: unique('u'), avatar: '/a.png' }),
        () => a.post('/api/users', { name: unique('u') }),
      ][i % 4]());
    },
  },

  // ---- answers that are larger than questions --------------------------------------------------------------------
  {
    name: 'io-history-unread',
    kind: 'Socket.IO clients ask for the history and read nothing',
    short: true,
    async run(a) {
      const speaker = await a.io();
      speaker.send(`42["message","${unique('n')}"]`);
      for (let i = 0; i < 12; i++) speaker.send(`42["message","${text(30_000)}"]`);
      await a.pause(500);
      const clients = [];
      for (let i = 0; i < 20; i++) clients.push(await a.io({ paused: true }));
      await Promise.all(clients.map((ws) => a.pour(ws, () => '42["getAllMessages"]')));
      await a.rest();
    },
  },
  {
    name: 'logs-unread',
    kind: 'chatroom clients ask for the history and read nothing',
    short: true,
    async run(a) {
      const { seat } = await filledRoom(a, 60, 15_000);
      const ask = JSON.stringify({ type: 'query-logs', sendUserId: seat.nickId, sendRoom: seat.roomId });
      const clients = [];
      for (let i = 0; i < 30; i++)
        clients.push(await a.ws(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`, { paused: true }));
      await Promise.all(clients.map((ws) => a.pour(ws, () => ask)));
      await a.rest();
    },
  },
  {
    name: 'native-history-unread',
    kind: 'native clients ask for the history and read nothing',
    async run(a) {
      const { seat } = await filledRoom(a, 60, 15_000);
      const clients = [];
      for (let i = 0; i < 30; i++) clients.push(await a.native(seat, { rooms: [seat.roomId], paused: true }));
      await Promise.all(clients.map((ws) => a.pour(ws,
        (i) => JSON.stringify({ id: i, cmd: 'history', room: seat.roomId, limit: 200 }))));
      await a.rest();
    },
  },
  {
    name: 'streams-unread',
    kind: 'event streams and polls that nobody reads, in a room where much is said',
    async run(a) {
      const { seat, ws } = await filledRoom(a, 20, 15_000);
      for (let i = 0; i < 60; i++) {
        const socket = await a.tcp();
        socket.pause();
        socket.write(`GET /rooms/${seat.roomId}/${i % 2 ? 'events' : 'poll'}?nickId=${seat.nickId}&after=0 HTTP/1.1\r\n` +
          'Host: 127.0.0.1\r\nLast-Event-ID: 0\r\n\r\n');
      }
      await a.pour(ws, (i) => say(seat, `${i} ${text(15_000)}`));
    },
  },

  // ---- half-open ---------------------------------------------------------------------------------------------------
  {
    name: 'eio-openings',
    kind: 'Engine.IO connections that are opened and never joined',
    short: true,
    async run(a) {
      await a.flood(64, () => a.ask('/socket.io/?EIO=4&transport=polling'), 40_000);
      await a.rest();
    },
  },
  {
    name: 'hellos-missing',
    kind: 'WebSockets of every protocol that say nothing after the handshake',
    async run(a) {
      await a.flood(32, async (i) => {
        await a.ws(['/v1', '/socket.io/?EIO=4&transport=websocket', '/chat/v1/message?friendphone=1&userphone=2&app_sid=3',
          `/ws/user_${'0'.repeat(32)}`][i % 4], { protocol: i % 4 ? undefined : 'chaguan.v1' });
      }, 6_000);
      await a.rest();
    },
  },
  {
    name: 'silent-connections',
    kind: 'TCP connections to nginx and to the relays that say nothing, or half a head',
    short: true,
    async run(a) {
      const ports = [a.port, ...a.relayPorts];
      await a.flood(64, async (i) => {
        const socket = await a.tcp(ports[i % ports.length]);
        if (i % 3 === 1) socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n');
        if (i % 3 === 2) socket.write(upgrade('/v1').slice(0, -6));
      }, 12_000);
      await a.rest();
    },
  },
  {
    name: 'slow-uploads',
    kind: 'uploads that come a little at a time and are held: nginx spools them to disk',
    short: true,
    async run(a) {
      await a.flood(40, async () => {
        const socket = await a.tcp();
        socket.write('POST /users/upload_video HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; ' +
          'boundary=x\r\nContent-Length: 25000000\r\n\r\n--x\r\n');
        for (let i = 0; i < 50 && !a.over && !socket.destroyed; i++) {
          if (!socket.write(Buffer.alloc(256 * 1024, 'x'))) await Promise.race([
            new Promise((resolve) => socket.once('drain', resolve)), a.pause(1000)]);
        }
        while (!a.over && !socket.destroyed) {
          socket.write('x');
          await a.pause(500);
        }
        socket.destroy();
      });
    },
  },
  {
    name: 'slow-posts',
    kind: 'bodies of Engine.IO, of rooms and of REST that never end',
    async run(a) {
      const paths = ['/socket.io/?EIO=4&transport=polling', `/rooms/room_${'0'.repeat(32)}/send`, '/api/users'];
      await a.flood(64, async (i) => {
        const socket = await a.tcp(i % 2 ? a.port : a.relayPorts[i % a.relayPorts.length]);
        socket.write(`POST ${paths[i % 3]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
          'Content-Length: 60000\r\n\r\n{');
        while (!a.over && !socket.destroyed) {
          socket.write(' ');
          await a.pause(700);
        }
      }, 4_000);
    },
  },

  // ---- heads, frames and bytes that are not what they should be ---------------------------------------------------
  {
    name: 'odd-heads',
    kind: 'heads with names that begin like known ones, lone line ends, long queries, and requests behind each other',
    short: true,
    async run(a) {
      const names = ['X-Auth', 'User', 'Proxy', 'X-Forwarded', 'Sec-WebSocket', 'Cont', 'Accept-', 'Origi', 'Hos', 'U'];
      const seat = await a.seat(unique('r'), unique('n'));
      const target = `/?roomId=${seat.roomId}&nickId=${seat.nickId}`;
      const heads = [
        (i) => upgrade(target, `${names[i % names.length]}: 1\r\nX-After: 2\r\n`),
        (i) => upgrade(`${target}&${Array.from({ length: 90 + (i % 20) }, (_, n) => `a${n}=1`).join('&')}`),
        () => upgrade(`${target}&name=100%`),
        () => 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n\rGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
        () => 'GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n',
        () => upgrade('/v1'),
        () => `${'GET /rooms/x/poll HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(50)}\r`,
        (i) => `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${'X: y\r\n'.repeat(i % 400)}\r\n`,
      ];
      await a.flood(16, async (i) => {
        const socket = await a.tcp(i % 2 ? a.port : a.relayPorts[(i >> 1) % a.relayPorts.length]);
        const head = heads[i % heads.length](i);
        const at = i % (head.length - 1);
        socket.write(head.slice(0, at));
        await a.pause(2);
        socket.write(head.slice(at));
        await a.pause(30);
        socket.destroy();
      });
    },
  },
  {
    name: 'odd-frames',
    kind: 'pings and closes that are too long, sizes that are not meant, masks that are missing',
    async run(a) {
      const seat = await a.seat(unique('r'), unique('n'));
      const frames = [Buffer.from([0x89, 0xfe, 0x00, 0x80, 1, 2, 3, 4]), Buffer.from([0x88, 0xfe, 0x00, 0x7e, 1, 2, 3, 4]),
        Buffer.from([0x81, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4]), Buffer.from([0x81, 0xff, 255, 255, 255, 255, 255, 255]),
        Buffer.from([0x81, 0x05, 1, 2, 3, 4, 5]), Buffer.from([0xf1, 0x80, 1, 2, 3, 4]),
        Buffer.concat(Array(500).fill(Buffer.from([0x89, 0x81, 0, 0, 0, 0, 65])))];
      const ports = [a.port, ...a.relayPorts];
      await a.flood(32, async (i) => {
        const socket = await a.tcp(ports[i % ports.length]);
        socket.write(upgrade(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`));
        await a.pause(20);
        socket.write(frames[i % frames.length]);
        await a.pause(50);
        socket.destroy();
      });
    },
  },
  {
    name: 'odd-packets',
    kind: 'Socket.IO packets that break its protocol, native and chatroom frames that are no commands',
    async run(a) {
      const seat = await a.seat(unique('r'), unique('n'));
      const packets = ['42[]', '450-', '459999999-["x"]', '4211', '9', '42["connect"]', '42[{"a":1}]', '40/none,', '41', '4',
        `42["message",${'['.repeat(5000)}`, '42["message","\\ud800"]', '452-["x",{"_placeholder":true,"num":9}]'];
      const frames = ['{', '[]', '{"type":7}', `{"type":"message","content":${'{"a":'.repeat(3000)}`, '{"id":1,"cmd":"?"}'];
      await a.flood(24, async (i) => {
        const ws = i % 3 ? await a.io() : await a.ws(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`);
        await a.pour(ws, (n) => (i % 3 ? packets : frames)[(i + n) % (i % 3 ? packets : frames).length], { most: 40 });
        ws.terminate();
      });
    },
  },
];
