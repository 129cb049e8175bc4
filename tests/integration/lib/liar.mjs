// A Redis that lies: a real one behind it, whose replies are passed on, but now and then not as they were: of another
// kind, larger than any number, nested, refused, twice, not at all, or with something that nobody asked for.
import { Proxy } from './proxy.mjs';

/** The length of the whole RESP value at `at`, or 0 if it is not all there. */
function whole(bytes, at) {
  const end = bytes.indexOf('\r\n', at, 'latin1');
  if (end < 0) return 0;
  const size = Number(bytes.toString('latin1', at + 1, end));
  let next = end + 2;
  if (bytes[at] === 0x24 && size >= 0) next += size + 2; // $
  else if (bytes[at] === 0x2a) { // *
    for (let i = 0; i < size; i++) {
      const length = next < bytes.length ? whole(bytes, next) : 0;
      if (!length) return 0;
      next += length;
    }
  }
  return next <= bytes.length ? next - at : 0;
}

const VALUES = ['$-1', '*-1', '*0', ':0', ':-1', ':1', ':9223372036854775807', ':-9223372036854775808', '$0\r\n', '+', '+OK',
  '-ERR no', '-READONLY no', '-LOADING no', '*1\r\n*1\r\n*1\r\n:1', '*3\r\n$-1\r\n:5\r\n*0', '$5\r\n\0\0\xff\xfe\xfd',
  '$20\r\n99999999999999999999', `$70000\r\n${'x'.repeat(70000)}`, '*2\r\n$1\r\n0\r\n:7', '*2\r\n$1\r\n0\r\n*3\r\n:1\r\n:2\r\n:3',
  '*2\r\n$1\r\n0\r\n*2\r\n$3\r\na:b\r\n$9\r\n9|9999|xy', '$9\r\n1|4294967', '$16\r\n0|18446744073709|'];
const UNASKED = ['*3\r\n$7\r\nmessage\r\n$6\r\nnobody\r\n$3\r\nxyz\r\n', '*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nb\r\n', ':5\r\n',
  '*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n', '+OK\r\n', '*2\r\n:1\r\n$-1\r\n', '*1000000000\r\n', '%1\r\n:1\r\n:2\r\n', 'HELLO\r\n'];

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const latin1 = (text) => Buffer.from(text, 'latin1');

/** In an array one element, else all of it becomes something else. */
function lieAbout(value) {
  const text = value.toString('latin1');
  const kind = Math.random();
  if (kind < 0.12) return latin1(text + text);
  if (kind < 0.2) return latin1('');
  if (kind < 0.3) return latin1(text + pick(UNASKED));
  const size = text[0] === '*' ? Number(text.slice(1, text.indexOf('\r'))) : 0;
  if (size < 1 || kind < 0.5) return latin1(`${pick(VALUES)}\r\n`);
  const which = Math.floor(Math.random() * size);
  let at = text.indexOf('\n') + 1;
  for (let i = 0; i < which; i++) at += whole(value, at);
  return Buffer.concat([value.subarray(0, at), latin1(`${pick(VALUES)}\r\n`), value.subarray(at + whole(value, at))]);
}

export class Liar extends Proxy {
  share = 0; // of replies that are lies
  lies = 0;

  pass(client, server) {
    let bytes = Buffer.alloc(0);
    client.pipe(server);
    server.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      for (let size; bytes.length && (size = whole(bytes, 0)); bytes = bytes.subarray(size)) {
        const lies = Math.random() < this.share;
        this.lies += lies;
        client.write(lies ? lieAbout(bytes.subarray(0, size)) : bytes.subarray(0, size));
      }
    });
  }

  /** It says something that nobody asked for, on every connection. */
  interrupt() {
    for (const socket of this.sockets) if (socket.localPort === this.port) socket.write(latin1(pick(UNASKED)));
  }
}
