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

/** A file for the server API, by a key or a token: {status, json, …}. */
export function uploadApi(stack, bearer, bytes, filename = 'a.png') {
  const sent = form([{ name: 'file', filename, type: 'application/x-lie', bytes }]);
  if (bearer) sent.headers.Authorization = `Bearer ${bearer}`;
  return request(`${stack.url}/v1/uploads`, { method: 'POST', ...sent });
}

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

/** A PNG of that size that can be decoded, in colours that run; with `rows`, of only so many of its lines. */
export function picture(width, height, rows = height) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const lines = Buffer.alloc(rows * (1 + 3 * width));
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < 3 * width; x++) lines[y * (1 + 3 * width) + 1 + x] = (x * 7 + y * 5) & 0xff;
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', zlib.deflateSync(lines)),
    chunk('IEND', Buffer.alloc(0))]);
}

/** A JPEG of 16×8, its left half red, that Exif says is to be turned by a quarter: people see 8×16. */
export const turned = () => Buffer.from([
  '/9j/4QAiRXhpZgAASUkqAAgAAAABABIBAwABAAAABgAAAAAAAAD/4AAQSkZJRgABAQEAYABgAAD//gA7Q1JFQVRPUjogZ2QtanBlZyB2MS4wICh1',
  'c2luZyBJSkcgSlBFRyB2NjIpLCBxdWFsaXR5ID0gOTAK/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAW',
  'EBETFBUVFQwPFxgWFBgSFBUU/9sAQwEDBAQFBAUJBQUJFA0LDRQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU',
  'FBQU/8AAEQgACAAQAwERAAIRAQMRAf/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUS',
  'ITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SF',
  'hoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/EAB8BAAMBAQEBAQEB',
  'AQEAAAAAAAABAgMEBQYHCAkKC//EALURAAIBAgQEAwQHBQQEAAECdwABAgMRBAUhMQYSQVEHYXETIjKBCBRCkaGxwQkjM1LwFWJy0QoWJDThJfEX',
  'GBkaJicoKSo1Njc4OTpDREVGR0hJSlNUVVZXWFlaY2RlZmdoaWpzdHV2d3h5eoKDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLD',
  'xMXGx8jJytLT1NXW19jZ2uLj5OXm5+jp6vLz9PX29/j5+v/aAAwDAQACEQMRAD8A+dK/DD/VM/d6v3M/ysP/2Q=='].join(''), 'base64');

/** The width and height of a WebP that has lost something (VP8), and its bytes' length. */
export function webpSize(bytes) {
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 16) !== 'WEBPVP8 ') return undefined;
  return [bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff];
}
