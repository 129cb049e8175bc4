// Uploads as wx.uploadFile and a browser's form send them, and small files that are what they say.
import crypto from 'node:crypto';
import zlib from 'node:zlib';
import { request } from './http.mjs';

/** parts: [{name, filename?, type?, bytes}] → {headers, body} */
export function form(parts, boundary = `----chaguan${crypto.randomBytes(12).toString('hex')}`) {
  const pieces = parts.flatMap(({ name, filename, type, bytes }) => [
    `--${boundary}\r\nContent-Disposition: form-data; ` +
    `name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n` +
    `${type ? `Content-Type: ${type}\r\n` : ''}\r\n`, bytes, '\r\n']);
  const body = Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece)));
  return { headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}`, 'Content-Length': body.length },
    body };
}

export const AVATAR = { path: '/users/upload_avatar', name: 'avatar', url: (json) => json.payload.avatar_path };
export const VIDEO = { path: '/users/upload_video', name: 'mp4_url', url: (json) => json.payload };
export const FILE = { path: '/api/upload', name: 'file', url: (json) => json.data.url };

/** Sends one file to one of the three calls. */
export function upload(stack, call, bytes, filename = 'tmp_4a1c.png', type = 'image/png') {
  return request(`${stack.url}${call.path}`, { method: 'POST', ...form([{ name: call.name, filename, type, bytes }]) });
}

/** A URL in an answer as an address that can be asked. */
export const address = (stack, url) => new URL(url, stack.url).href;

function chunk(type, bytes) {
  const body = Buffer.concat([Buffer.from(type), bytes]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(bytes.length, 0);
  body.copy(out, 4);
  let crc = ~0;
  for (const byte of body)
    for (let i = 0, low = byte; i < 8; i++, low >>= 1) crc = (crc >>> 1) ^ ((crc ^ low) & 1 ? 0xedb88320 : 0);
  out.writeUInt32BE(~crc >>> 0, body.length + 4);
  return out;
}

/** A 1×1 PNG; with `size`, padded to exactly that many bytes behind its end, as decoders allow. */
export function png(size = 0) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(1, 0);
  head.writeUInt32BE(1, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const pixel = zlib.deflateSync(Buffer.from([0, ...crypto.randomBytes(3)]));
  const bytes = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', pixel),
    chunk('IEND', Buffer.alloc(0))]);
  return size ? Buffer.concat([bytes, Buffer.alloc(size - bytes.length, 0x5a)]) : bytes;
}

/** An MP4 without a track, of exactly that many bytes; or what else that brand is. */
export function mp4(size = 1000, brand = 'isom') {
  const head = Buffer.from('000000186674797069736f6d0000020069736f6d6d703431', 'hex');
  head.write(brand, 8, 'latin1');
  const data = Buffer.concat([Buffer.alloc(4), Buffer.from('mdat'), Buffer.alloc(size - head.length - 8)]);
  data.writeUInt32BE(data.length, 0);
  crypto.randomBytes(16).copy(data, 8);
  return Buffer.concat([head, data]);
}
