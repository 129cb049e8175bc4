// Socket.IO's own server with its Redis adapter, and on it the article's chat room: names, rooms, messages to all, to a
// room or to one person. It stores nothing: the history that the article keeps in MongoDB is left out.
//
// Set up as Socket.IO's documentation advises for performance: WebSocket alone, no compression, the first request
// forgotten.
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';
import { redisSocket, serve } from './peer.mjs';

const SYSTEM = '系统';

const publisher = createClient({ socket: { path: redisSocket } });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const server = createServer();
const io = new Server(server, {
  adapter: createAdapter(publisher, subscriber),
  transports: ['websocket'],
  perMessageDeflate: false,
  serveClient: false,
});
io.engine.on('connection', (connection) => { connection.request = null; });

const named = new Map();        // name → socket
const line = (content, username = SYSTEM) => ({ username, content, createAt: new Date() });

function takeName(socket, name) {
  if (named.has(name)) {
    socket.emit('message', line(`${name}已经被占用,请换一个用户名吧`));
    return;
  }
  socket.data.name = name;
  named.set(name, socket);
  socket.broadcast.emit('message', line(`${name}加入聊天室`));
}

function speak(socket, text) {
  const [, whom, what] = text.match(/^@([^ ]+) (.+)/s) ?? [];
  const rooms = [...socket.rooms].filter((room) => room !== socket.id);
  if (whom) named.get(whom)?.emit('message', line(what, socket.data.name));
  else if (rooms.length) io.in(rooms).emit('message', line(text, socket.data.name));
  else io.emit('message', line(text, socket.data.name));
}

io.on('connection', (socket) => {
  socket.on('getAllMessages', () => socket.emit('allMessages', []));
  socket.on('join', async (room) => {
    await socket.join(room);
    socket.emit('joined', room);
  });
  socket.on('leave', async (room) => {
    await socket.leave(room);
    socket.emit('leaved', room);
  });
  socket.on('message', (text, acknowledge) => {
    if (socket.data.name) speak(socket, text);
    else takeName(socket, text);
    if (typeof acknowledge === 'function') acknowledge();
  });
  socket.on('disconnect', () => {
    if (named.get(socket.data.name) === socket) named.delete(socket.data.name);
  });
});
serve(server);
