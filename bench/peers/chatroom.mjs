// A chatroom in Node as the article describes it: Express, `ws` and mysql2 in one process on one port. A message is
// stored, then sent to each socket of its room.
//
// Three things are done for it that the article does not do: messages go out in the order in which they came, though the
// pool stores ten of them at once; each carries a number, by which the load generator checks that; and the list of members
// is sent a few times a second while people come, not once for each of them.
import { createServer } from 'node:http';
import { WebSocketServer, WebSocket } from 'ws';
import { openDatabase, serve } from './peer.mjs';
import { chatroomApp } from './routes.mjs';
import { makeTables } from './schema.mjs';

const MEMBERS_INTERVAL_MS = 250;

const db = openDatabase();
await makeTables(db);
const server = createServer(chatroomApp(db));
const rooms = new Map();        // room id → {id, sockets, said: the latest line's promise, seq, members: timer}

const now = () => new Date().toISOString().slice(0, 19).replace('T', ' ');

function roomOf(id) {
  let room = rooms.get(id);
  if (!room) rooms.set(id, room = { id, sockets: new Set(), said: Promise.resolve(), seq: 0, members: null });
  return room;
}

function broadcast(room, events) {
  const text = JSON.stringify(events);
  for (const socket of room.sockets) if (socket.readyState === WebSocket.OPEN) socket.send(text);
}

/** Stores a line of the room, then sends it: after those that came before it. */
function say(room, { userId, userName, content, time }) {
  const before = room.said.catch(() => {}), seq = ++room.seq;
  const insert = db.execute(`INSERT INTO chat_room_log_table
    (log_content, log_time, log_room_id, log_user_id, log_user_name) VALUES (?, ?, ?, ?, ?)`, [content, time, room.id, userId, userName]);
  room.said = Promise.all([insert, before]).then(() => {
    broadcast(room, [{ type: 'message', data: { log_user_name: userName, log_content: content, log_time: time, seq } }]);
  });
  return room.said;
}

async function sendMembers(room) {
  room.members = null;
  const [members] = await db.execute(`SELECT user_name, head_num FROM chat_room_member_table
    JOIN chat_room_user_table USING (user_id) WHERE room_id = ? AND user_status = 'online'`, [room.id]);
  broadcast(room, [{ type: 'members', data: members }]);
}

/** Somebody came or went: the room is told, and soon gets the new list. */
async function announce(room, userId, content) {
  await say(room, { userId, userName: 'system', content, time: now() });
  room.members ??= setTimeout(() => sendMembers(room).catch(fail), MEMBERS_INTERVAL_MS);
}

async function sendLogs(room, userId) {
  const [latest] = await db.execute(`SELECT log_user_name, log_content, log_time FROM chat_room_log_table
    WHERE log_room_id = ? ORDER BY log_id DESC LIMIT 200`, [room.id]);
  const text = JSON.stringify([{ type: 'logs', data: latest.reverse() }]);
  for (const socket of room.sockets) if (socket.userId === userId) socket.send(text);
}

async function setStatus(userId, status) {
  await db.execute('UPDATE chat_room_user_table SET user_status = ? WHERE user_id = ?', [status, userId]);
}

async function leave(room, socket) {
  room.sockets.delete(socket);
  if (!room.sockets.size) rooms.delete(room.id);
  await setStatus(socket.userId, 'offline');
  await announce(room, socket.userId, `${socket.userName} 离开了房间`);
}

// Who speaks, and where, is what the connection was opened for.
const handlers = {
  message: (room, { userId, userName }, { content, sendTime }) =>
    say(room, { userId, userName, content, time: sendTime ?? now() }),
  'query-logs': (room, { userId }) => sendLogs(room, userId),
};

function fail(error) {
  console.error(error);
}

async function open(socket, url) {
  const roomId = url.searchParams.get('roomId');
  socket.userId = url.searchParams.get('nickId');
  if (!roomId) {
    socket.close(1008, 'Room ID not provided');
    return;
  }
  const room = roomOf(roomId);
  room.sockets.add(socket);
  socket.on('message', (data) => {
    const frame = JSON.parse(data.toString());
    handlers[frame.type]?.(room, socket, frame).catch(fail);
  });
  socket.on('close', () => leave(room, socket).catch(fail));
  const [[user]] = await db.execute('SELECT user_name FROM chat_room_user_table WHERE user_id = ?', [socket.userId]);
  socket.userName = user?.user_name;
  await setStatus(socket.userId, 'online');
  await announce(room, socket.userId, `${socket.userName} 进入了房间`);
}

new WebSocketServer({ server }).on('connection', (socket, request) => {
  socket.on('error', fail);
  open(socket, new URL(request.url, 'http://localhost')).catch(fail);
});
serve(server);
