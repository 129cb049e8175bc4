// Bar charts as SVG: horizontal bars in groups, each with its figure at the end. Knows nothing of what is measured.

const WIDTH = 860, LABELS = 190, RIGHT = 120, BAR = 18, GAP = 4, GROUP_GAP = 26, TOP = 74, BOTTOM = 52;
const COLOURS = { ours: '#2a7f62', peer: '#8a94a6', second: '#b6bdc9', light: '#f2a65a' };
const FONT = "font-family=\"'DejaVu Sans', 'Noto Sans', Arial, sans-serif\"";

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ENTITIES[c]);

function text(x, y, content, { size = 12, anchor = 'start', fill = '#222', weight = 'normal' } = {}) {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" text-anchor="${anchor}" fill="${fill}" ` +
    `font-weight="${weight}">${escape(content)}</text>`;
}

function rect(x, y, width, fill) {
  const shown = Math.max(width, 0.5).toFixed(1);
  return `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${shown}" height="${BAR}" fill="${fill}"/>`;
}

/** A line from the top to the bottom of the bars. */
function upright(x, bottom, stroke, dashes = '') {
  const at = x.toFixed(1);
  const dashed = dashes && ` stroke-dasharray="${dashes}"`;
  return `<line x1="${at}" y1="${TOP - 8}" x2="${at}" y2="${bottom}" stroke="${stroke}"${dashed}/>`;
}

/** Steps of 1, 2 or 5 that divide 0…most into four to nine. */
function linearTicks(most) {
  const power = 10 ** Math.floor(Math.log10(most / 5));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => most / n <= 7);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

function logTicks(least, most) {
  const first = Math.floor(Math.log10(least)), last = Math.ceil(Math.log10(most));
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

/** Maps figures to widths: {at, ticks}. */
function makeScale(bars, log) {
  const totals = bars.map(({ value, extra = 0 }) => value + extra).filter((n) => n > 0);
  const room = WIDTH - LABELS - RIGHT, most = Math.max(...totals), least = Math.min(...totals);
  if (!log) return { at: (n) => (n / most) * room, ticks: linearTicks(most) };
  const ticks = logTicks(least, most), low = Math.log10(ticks[0]), span = Math.log10(ticks.at(-1)) - low || 1;
  return { at: (n) => Math.max(0, (Math.log10(n) - low) / span) * room, ticks };
}

function tickText(n) {
  return n >= 1000 ? n.toLocaleString('en') : String(Number(n.toPrecision(6)));
}

/**
 * title, axis    what is shown; what the axis counts, with its unit
 * groups         [{name, bars: [{label, value, extra, kind, text}]}]: extra is put behind value in another colour, kind
 *                is a key of COLOURS, text what stands at the bar's end
 * mark           {value, text}: a line across, such as a target
 * legend         [[kind, text]]
 * log            logarithmic axis
 */
export function barChart({ title, axis, groups, mark, legend = [], log = false }) {
  const bars = groups.flatMap((group) => group.bars);
  const scale = makeScale(mark ? [...bars, { value: mark.value }] : bars, log);
  const heights = groups.map((group) => group.bars.length * (BAR + GAP) + (group.name ? 20 : 0));
  const height = TOP + BOTTOM + heights.reduce((sum, one) => sum + one + GROUP_GAP, -GROUP_GAP);
  const bottom = height - BOTTOM + 6;
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  const out = [`<svg xmlns="http://www.w3.org/2000/svg" ${size} ${FONT} role="img">`, `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(16, 28, title, { size: 17, weight: 'bold' })];
  let x = 16;
  for (const [kind, name] of legend) {
    out.push(`<rect x="${x}" y="41" width="12" height="12" fill="${COLOURS[kind]}"/>`, text(x + 17, 51, name));
    x += 34 + name.length * 6.8;
  }
  for (const tick of scale.ticks) {
    const at = LABELS + scale.at(tick);
    out.push(upright(at, bottom, '#e3e6eb'),
      text(at, bottom + 15, tickText(tick), { size: 11, anchor: 'middle', fill: '#555' }));
  }
  out.push(text(LABELS, bottom + 36, axis, { fill: '#444' }));
  let y = TOP;
  for (const group of groups) {
    if (group.name) {
      out.push(text(16, y + 10, group.name, { size: 13, weight: 'bold' }));
      y += 20;
    }
    for (const { label, value, extra = 0, kind = 'peer', text: figure } of group.bars) {
      out.push(text(LABELS - 8, y + 13, label, { anchor: 'end' }), rect(LABELS, y, scale.at(value), COLOURS[kind]));
      if (extra) out.push(rect(LABELS + scale.at(value), y, scale.at(value + extra) - scale.at(value), COLOURS.light));
      out.push(text(LABELS + scale.at(value + extra) + 6, y + 13, figure, { fill: '#333' }));
      y += BAR + GAP;
    }
    y += GROUP_GAP;
  }
  if (mark) {
    const at = LABELS + scale.at(mark.value);
    out.push(upright(at, bottom, '#c0392b', '5 4'),
      text(at + 4, TOP - 12, mark.text, { size: 11, fill: '#c0392b' }));
  }
  return `${out.join('\n')}\n</svg>\n`;
}
