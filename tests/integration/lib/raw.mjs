// A TCP connection that says exactly the bytes it is told to: handshakes and frames that no client library would send.
import crypto from 'node:crypto';
import net from 'node:net';
import { DEADLINE_MS } from './http.mjs';
import { waitFor } from './waiting.mjs';

/** A WebSocket frame (RFC 6455 section 5.2). `length` may lie about the payload: a number or a BigInt. */
export function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true, length } = {}) {
  const body = Buffer.from(payload);
  const claimed = BigInt(length ?? body.length);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const bit = masked ? 0x80 : 0;
  if (claimed < 126n) head.push(bit | Number(claimed));
  else if (claimed < 65536n) head.push(bit | 126, Number(claimed >> 8n), Number(claimed & 255n));
  else {
    head.push(bit | 127);
    for (let shift = 56n; shift >= 0n; shift -= 8n) head.push(Number((claimed >> shift) & 255n));
  }
  if (!masked) return Buffer.concat([Buffer.from(head), body]);
  const mask = crypto.randomBytes(4);
  return Buffer.concat([Buffer.from(head), mask, body.map((byte, i) => byte ^ mask[i % 4])]);
}

export const TEXT = 1;
export const BINARY = 2;
export const CONTINUATION = 0;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** A good handshake's lines; `change` overrides headers by name, undefined leaves one out. */
export function handshake(target, change = {}, method = 'GET', version = 'HTTP/1.1') {
  const headers = { Host: '127.0.0.1', Upgrade: 'websocket', Connection: 'Upgrade',
    'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'), 'Sec-WebSocket-Version': '13', ...change };
  const lines = Object.entries(headers).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`);
  return `${method} ${target} ${version}\r\n${lines.join('\r\n')}\r\n\r\n`;
}

export class Raw {
  static connect(port, host = '127.0.0.1', from = undefined) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host, localAddress: from });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Raw(socket)));
    });
  }

  /** To a Unix socket. */
  static open(path) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ path });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Raw(socket)));
    });
  }

  /** Connected, and the handshake for this seat answered with 101. */
  static async seat(port, seat) {
    const raw = await Raw.connect(port);
    raw.send(handshake(`/?roomId=${seat.roomId}&nickId=${seat.nickId}`));
    await raw.until(() => raw.status, 'the handshake');
    if (raw.status !== 101) throw new Error(`handshake answered with ${raw.status}`);
    return raw;
  }

  constructor(socket) {
    this.socket = socket;
    this.bytes = Buffer.alloc(0);
    this.over = false;
    this.waiters = new Set();
    const wake = () => this.waiters.forEach((waiter) => waiter());
    socket.on('data', (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      wake();
    });
    socket.on('error', () => {});
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.over = true;
        resolve();
        wake();
      };
      socket.on('end', end);
      socket.on('close', end);
    });
  }

  send(data) {
    this.socket.write(data);
    return this;
  }

  until(predicate, what) {
    return waitFor(this, predicate, what,
      { over: () => this.over && 'closed', seen: () => `; got ${this.text.slice(0, 300)}` });
  }

  /** Resolves once the other side has ended the connection. */
  async end(what = 'the end of the connection') {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), DEADLINE_MS);
    });
    await Promise.race([this.ended, late]).finally(() => clearTimeout(timer));
    this.socket.destroy();
  }

  get text() {
    return this.bytes.toString('latin1');
  }

  /** The HTTP status, or undefined as long as the header is not whole. */
  get status() {
    if (!this.text.includes('\r\n\r\n')) return undefined;
    return Number(this.text.match(/^HTTP\/1\.[01] (\d{3})/)?.[1]);
  }

  /** The server's frames after the header: [{opcode, payload}]. */
  get frames() {
    const start = this.bytes.indexOf('\r\n\r\n');
    const frames = [];
    for (let at = start + 4; start >= 0 && at + 2 <= this.bytes.length;) {
      const opcode = this.bytes[at] & 15;
      let length = this.bytes[at + 1] & 127;
      let head = 2;
      if (length === 126 && at + 4 <= this.bytes.length) [length, head] = [this.bytes.readUInt16BE(at + 2), 4];
      else if (length === 127 && at + 10 <= this.bytes.length)
        [length, head] = [Number(this.bytes.readBigUInt64BE(at + 2)), 10];
      if (length >= 126 && head === 2) break;
      if (at + head + length > this.bytes.length) break;
      frames.push({ opcode, payload: this.bytes.subarray(at + head, at + head + length) });
      at += head + length;
    }
    return frames;
  }

  /** The code of the server's close frame, if there was one. */
  get closeCode() {
    const close = this.frames.find((f) => f.opcode === CLOSE);
    return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined;
  }

  destroy() {
    this.socket.destroy();
  }
}
