// Draws the folders of the programs as rooms, and which includes headers of which, from the sources themselves:
//   node docs/rooms.mjs           writes docs/rooms.svg
//   node docs/rooms.mjs --check   exit status 1 if that is not what the sources say
// An arrow points from the room that includes to the one that is included. One that follows from two others is left out.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PICTURE = path.join(ROOT, 'docs/rooms.svg');
const PROGRAMS = ['common', 'relay', 'rest', 'worker', 'admin', 'thumbnail'];
/** What stands in each, in a few words; of those at one height, from left to right. */
const ABOUT = {
  admin: 'the operator’s command', common: 'text, JSON, settings, logs', 'common/redis': 'addresses, keys, scripts', 'common/search': 'words, an index',
  'common/service': 'start of a program, operators’ orders', 'common/store': 'SQL', relay: 'main, drain, handshakes',
  'relay/native': 'the native protocol',  'relay/core': 'hub, sessions, presence', 'relay/db': 'journal, database pool', 'relay/demos': 'demonstrations',
  'relay/net': 'HTTP, WebSockets, hand-over',
  'relay/protocols': 'the articles’ protocols', 'relay/redis': 'the bus', 'relay/socketio': 'Engine.IO, Socket.IO',
  rest: 'FastCGI, router', 'rest/calls': 'the calls', 'rest/http': 'one call, its form',
  'rest/services': 'what calls share', worker: 'followers of the feed',
  thumbnail: 'small pictures',
};

/** {rooms: Map name → {files, lines}, uses: Map name → Set of names}. */
function read() {
  const rooms = new Map(), uses = new Map();
  for (const program of PROGRAMS)
    for (const entry of fs.readdirSync(path.join(ROOT, program), { recursive: true })) {
      const file = path.join(program, entry);
      if (!/\.[ch]$/.test(file)) continue;
      const room = path.dirname(file), text = fs.readFileSync(path.join(ROOT, file), 'utf8');
      const known = rooms.get(room) ?? { files: 0, lines: 0 };
      rooms.set(room, { files: known.files + 1, lines: known.lines + text.split('\n').length - 1 });
      const used = uses.get(room) ?? uses.set(room, new Set()).get(room);
      for (const [, header] of text.matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)) {
        const other = path.dirname(header);
        if (other !== room && other !== '.') used.add(other);
      }
    }
  return { rooms, uses };
}

/** The row of each, from the bottom: programs as low as what they include allows, the rest right under its users. A circle
 * has no such number. */
function levels(rooms, uses) {
  const low = new Map(), level = new Map();
  const users = (room) => [...rooms.keys()].filter((other) => uses.get(other).has(room));
  const depth = (room, above) => {
    if (above.includes(room)) throw new Error(`a circle: ${[...above, room].join(' → ')}`);
    if (!low.has(room)) low.set(room, Math.max(-1, ...[...uses.get(room)].map((next) => depth(next, [...above, room]))) + 1);
    return low.get(room);
  };
  const place = (room) => {
    if (!level.has(room)) level.set(room, users(room).length ? Math.min(...users(room).map(place)) - 1 : depth(room, []));
    return level.get(room);
  };
  for (const room of rooms.keys()) depth(room, []);
  for (const room of rooms.keys()) place(room);
  return level;
}

/** Without arrows to what is reached anyway. */
function direct(uses) {
  const reaches = (from, to, first) => [...uses.get(from)].some((next) =>
    !(from === first && next === to) && (next === to || reaches(next, to, null)));
  return new Map([...uses].map(([room, used]) => [room, [...used].filter((low) => !reaches(room, low, room))]));
}

const WIDTH = 184, HEIGHT = 54, GAP = 34, RISE = 104;
const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function draw({ rooms, uses }) {
  const level = levels(rooms, uses), rows = [], at = new Map();
  for (const room of new Set([...Object.keys(ABOUT), ...rooms.keys()]))
    if (rooms.has(room)) (rows[level.get(room)] ??= []).push(room);
  const height = rows.length * RISE + GAP, step = WIDTH + GAP;
  const isShared = (room) => /^(relay|common)/.test(room); // what the relay leans on stands under it, the rest at its side
  const middle = Math.max(...rows.map((row) => row.filter(isShared).length));
  const sides = ['rest', 'admin'], width = (middle + sides.length) * step + GAP;
  rows.forEach((row, i) => {
    const shared = row.filter(isShared).sort((one, other) => other.startsWith('relay') - one.startsWith('relay'));
    for (const room of row) {
      const place = shared.includes(room) ? (middle - shared.length) / 2 + shared.indexOf(room)
        : middle + sides.indexOf(room === 'thumbnail' ? 'admin' : room.split('/')[0]);
      at.set(room, { x: GAP + place * step, y: height - (i + 1) * RISE });
    }
  });
  const lines = [];
  for (const [room, used] of direct(uses))
    for (const low of used) {
      const from = at.get(room), to = at.get(low);
      lines.push(`<line x1="${from.x + WIDTH / 2}" y1="${from.y + HEIGHT}" x2="${to.x + WIDTH / 2}" y2="${to.y - 5}"/>`);
    }
  const boxes = [...at].map(([room, { x, y }]) => {
    const { files, lines: count } = rooms.get(room), program = room.split('/')[0], centre = x + WIDTH / 2;
    return `<g class="${program}"><rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="6"/>` +
      `<text class="name" x="${centre}" y="${y + 20}">${room}/</text>` +
      `<text x="${centre}" y="${y + 34}">${escape(ABOUT[room] ?? '')}</text>` +
      `<text x="${centre}" y="${y + 47}">${files} files, ${count} lines</text></g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>The rooms of Chaguan: an arrow points to what is included</title>
<style>
  text { font: 11px sans-serif; text-anchor: middle; fill: #444 } .name { font: bold 13px monospace; fill: #000 }
  rect { stroke: #555 } line { stroke: #777; stroke-width: 1.4; marker-end: url(#tip) }
  .common rect { fill: #eee } .relay rect { fill: #dcebfa } .rest rect { fill: #e3f3dd } .admin rect { fill: #f8ead2 }
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 8 4 0 8z" fill="#777"/></marker></defs>
<rect x="0" y="0" width="${width}" height="${height}" fill="#fff" stroke="none"/>
${lines.join('\n')}
${boxes.join('\n')}
</svg>
`;
}

const picture = draw(read());
if (process.argv.includes('--check')) {
  const old = fs.existsSync(PICTURE) ? fs.readFileSync(PICTURE, 'utf8') : '';
  // How many lines a room has changes with each commit; what stands in it and on whom it leans does not.
  const shape = (text) => text.replaceAll(/\d+ files, \d+ lines/g, '');
  if (shape(old) !== shape(picture)) {
    console.error('docs/rooms.svg is not what the sources say: node docs/rooms.mjs');
    process.exit(1);
  }
} else {
  fs.writeFileSync(PICTURE, picture);
}
