// A flame graph: where a program's CPU time goes, as `perf script` tells it. A box is a function, as wide as the part
// of the samples in which it was on the stack; on it stand the boxes of those that it called.

const WIDTH = 1200;
const ROW = 17;
const NARROWEST = 0.35; // pixels: what is less is left out
const FONT_WIDTH = 6.7;

/** Stacks, outermost function first, of every sample in perf's text. */
export function stacksOf(text) {
  const stacks = [];
  for (const block of text.split(/\n\s*\n/)) {
    const lines = block.split('\n').filter(Boolean);
    const frames = lines.filter((line) => /^\s+[0-9a-f]+ /.test(line)).map(frameOf);
    if (frames.length) stacks.push(frames.reverse());
  }
  return stacks;
}

function frameOf(line) {
  const [, symbol, object] = line.match(/^\s+[0-9a-f]+ (.*) \(([^()]*)\)\s*$/) ?? [null, line.trim(), ''];
  const library = object.split('/').pop().replace(/(-[a-z_]+)?\.so.*/, '$1');
  const name = symbol.replace(/\+0x[0-9a-f]+$/, '').replace(/\.(isra|constprop|part|cold)\b.*/, '');
  return { name: name === '[unknown]' ? library : name, kernel: object.includes('kernel'), library };
}

/** The stacks as one tree of calls; neighbours of the same name that merely lack symbols are one box. */
export function treeOf(stacks) {
  const root = { name: 'all', count: 0, children: new Map() };
  for (const stack of stacks) {
    let at = root;
    at.count++;
    for (const frame of stack) {
      if (frame.name === at.name) continue;
      if (!at.children.has(frame.name)) at.children.set(frame.name, { ...frame, count: 0, children: new Map() });
      at = at.children.get(frame.name);
      at.count++;
    }
  }
  return root;
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => text.replace(/[&<>"]/g, (letter) => ENTITIES[letter]);

/** Warm for the program, cool for libraries, grey for the kernel; a little apart from box to box. */
function colour(frame) {
  let hash = 0;
  for (const letter of frame.name) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  const shade = hash % 12;
  if (frame.kernel) return `hsl(215 12% ${78 + shade}%)`;
  if (frame.library && !frame.library.startsWith('chaguan')) return `hsl(${190 + shade} 55% 74%)`;
  return `hsl(${22 + shade * 2} 88% 68%)`;
}

function depthOf(node, scale) {
  const below = [...node.children.values()].filter((child) => child.count * scale >= NARROWEST);
  return 1 + Math.max(0, ...below.map((child) => depthOf(child, scale)));
}

export function svgOf(title, stacks) {
  const root = treeOf(stacks);
  const scale = (WIDTH - 20) / root.count;
  const height = 60 + ROW * depthOf(root, scale);
  const legend = `${root.count} samples; orange: the relay, blue: libraries, grey: the kernel. ` +
    'Width: part of the CPU time. Upwards: who called whom.';
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fffdf8"/>`,
    `<g font-family="sans-serif"><text x="10" y="20" font-size="15">${escape(title)}</text>`,
    `<text x="10" y="38" fill="#555">${legend}</text></g>`,
  ];
  const draw = (node, x, level) => {
    const width = node.count * scale;
    if (width < NARROWEST) return;
    const y = height - 10 - ROW * (level + 1);
    const percent = ((100 * node.count) / root.count).toFixed(1);
    const room = Math.floor((width - 6) / FONT_WIDTH);
    out.push(`<g><title>${escape(node.name)}: ${percent} %</title>`,
      `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colour(node)}"/>`);
    if (room >= 3) {
      const label = node.name.length > room ? `${node.name.slice(0, room - 1)}…` : node.name;
      out.push(`<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escape(label)}</text>`);
    }
    out.push('</g>');
    let at = x;
    for (const child of [...node.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      draw(child, at, level + 1);
      at += child.count * scale;
    }
  };
  draw(root, 10, 0);
  out.push('</svg>', '');
  return out.join('\n');
}
