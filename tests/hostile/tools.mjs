// What the attacks are made of: many connections from an address of their own, bytes as they like, nothing read unless
// an attack wants to. Nothing here knows the product's code.
import http from 'node:http';
import net from 'node:net';
import WebSocket from 'ws';

/** Everything that one attacker holds, so that it can be counted and let go of at once. */
export class Attacker {
  constructor({ url, relayPorts, address, seconds }) {
    Object.assign(this, { url, relayPorts, address, seconds });
    const { hostname, port } = new URL(url);
    Object.assign(this, { host: hostname, port: Number(port) });
    this.agent = new http.Agent({ localAddress: address, keepAlive: true, maxSockets: 64 });
    this.end = Date.now() + seconds * 1000;
    this.counts = {};
    this.sockets = new Set();
  }

  get over() {
    return Date.now() >= this.end;
  }

  count(what, by = 1) {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  pause(ms) {
    return new Promise((resolve) => setTimeout(resolve, Math.max(0, Math.min(ms, this.end - Date.now()))));
  }

  /** Until the attack's time is up. */
  rest() {
    return this.pause(this.end - Date.now());
  }

  /** `act(i)` again and again, `width` at a time, until the time is up or `most` were begun. */
  async flood(width, act, most = Infinity) {
    let begun = 0;
    const worker = async () => {
      while (!this.over && begun < most) {
        try {
          await act(begun++);
        } catch {
          this.count('failed');
          await this.pause(20); // refused connections would spin
        }
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
  }

  /** A request whose answer is read: {status, text, json}. */
  ask(path, { method = 'GET', body, headers = {}, port = this.port } = {}) {
    return new Promise((resolve, reject) => {
      const value = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const type = value === undefined ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(value) };
      const req = http.request({ host: this.host, port, path, method, agent: this.agent, timeout: 20_000,
        localAddress: this.address, headers: { ...type, ...headers } }, (res) => {
        const chunks = [];
        res.on('data', (chunk) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          let json;
          try {
            json = JSON.parse(text);
          } catch {
            // none
          }
          this.count(`http_${res.statusCode}`);
          resolve({ status: res.statusCode, text, json });
        });
      });
      req.on('timeout', () => req.destroy(new Error('no answer')));
      req.on('error', reject);
      req.end(value);
    });
  }

  post(path, body, options = {}) {
    return this.ask(path, { ...options, method: 'POST', body });
  }

  /** A room and a user of the chatroom, which needs no account: {roomId, nickId, nick}. */
  async seat(room, nick) {
    for (;;) {
      const { json } = await this.post('/api/createChatroom', { chatroomName: room, nickName: nick, headNum: 1 });
      if (json?.success) return { roomId: json.data.chatroomId, nickId: json.data.nickId, nick };
      if (this.over) throw new Error('no seat');
      await this.pause(200);
    }
  }

  async friend(name) {
    for (;;) {
      const { json } = await this.post('/api/users', { name });
      if (json?.success) return json.data.userId;
      if (this.over) throw new Error('no user');
      await this.pause(200);
    }
  }

  /** A WebSocket that is open. paused: nothing is ever read from it. */
  ws(path, { protocol, port = this.port, headers, paused = false } = {}) {
    return new Promise((resolve, reject) => {
      const ws = new WebSocket(`ws://${this.host}:${port}${path}`, protocol,
        { perMessageDeflate: false, localAddress: this.address, headers, handshakeTimeout: 20_000 });
      this.sockets.add(ws);
      ws.on('error', (error) => {
        this.count('ws_refused');
        reject(error);
      });
      ws.on('close', (code) => {
        this.sockets.delete(ws);
        this.count(`closed_${code}`);
      });
      ws.on('open', () => {
        this.count('ws_open');
        if (paused) ws.pause();
        resolve(ws);
      });
    });
  }

  /** A TCP connection. */
  tcp(port = this.port) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: this.host, port, localAddress: this.address });
      this.sockets.add(socket);
      socket.on('error', reject);
      socket.on('close', () => {
        this.sockets.delete(socket);
        this.count('tcp_closed');
      });
      socket.on('connect', () => {
        this.count('tcp_open');
        socket.setNoDelay(true);
        resolve(socket);
      });
    });
  }

  /** A native connection that said hello. */
  async native(seat, { rooms = [], paused = false } = {}) {
    const ws = await this.ws('/v1', { protocol: 'chaguan.v1' });
    const answered = new Promise((resolve) => ws.once('message', resolve));
    ws.send(JSON.stringify({ id: 1, cmd: 'hello', user: seat.nickId, resume: rooms.map((room) => ({ room })) }));
    await Promise.race([answered, this.rest()]);
    if (paused) ws.pause();
    return ws;
  }

  /** A Socket.IO connection by WebSocket alone, in the namespace `/`. */
  async io({ paused = false, port } = {}) {
    const ws = await this.ws('/socket.io/?EIO=4&transport=websocket', { port });
    const connected = new Promise((resolve) => ws.on('message', (data) => String(data).startsWith('40') && resolve()));
    ws.on('message', (data) => String(data) === '2' && ws.send('3'));
    ws.send('40');
    await Promise.race([connected, this.rest()]);
    if (paused) ws.pause();
    return ws;
  }

  /** Sends as long as the attack lasts, as fast as the kernel takes it; `make(i)` gives each message. */
  async pour(ws, make, { most = Infinity, pending = 256 * 1024 } = {}) {
    for (let i = 0; i < most && !this.over && ws.readyState === WebSocket.OPEN; i++) {
      ws.send(make(i));
      this.count('sent');
      while (ws.bufferedAmount > pending && !this.over && ws.readyState === WebSocket.OPEN) await this.pause(2);
      if (i % 64 === 63) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  close() {
    for (const socket of this.sockets) socket.terminate ? socket.terminate() : socket.destroy();
    this.agent.destroy();
  }
}

/** Something no one else has called anything. */
let numbers = 0;
export const unique = (what) => `${what}${process.pid}x${Date.now().toString(36)}x${++numbers}`;
