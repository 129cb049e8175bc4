// From figures to the rows of the table, and the table as text and as Markdown.
import { PEER_NAMES } from './scenarios.mjs';

const COLUMNS = ['scenario', 'what', 'ours', 'peer', '', 'ratio', 'target', '', 'MariaDB + Redis'];

/** 5.234 → "5.23", 123456.7 → "123,457": three digits are all that a shared machine gives. */
export function number(n) {
  if (n === undefined || Number.isNaN(n)) return '–';
  if (Math.abs(n) >= 100) return Math.round(n).toLocaleString('en');
  return n.toFixed(Math.abs(n) >= 10 ? 1 : 2);
}

const signed = (n) => `${n < 0 ? '−' : '+'}${number(Math.abs(n))}`;

const withUnit = (n, unit) => (n === undefined ? '' : `${number(n)}${unit.startsWith('/') ? '' : ' '}${unit}`);

function peerName(key) {
  if (PEER_NAMES[key]) return PEER_NAMES[key];
  if (key.endsWith(' express')) return 'Express';
  return key.endsWith(' socketio') ? 'Socket.IO' : key.replace(/ idle$|, 10$/, '');
}

/** Of several peers the one that does best. */
function bestPeer(row, results) {
  const keys = [row.peer].flat();
  const values = keys.map((key) => row.figure(results[key].figures));
  const at = keys.length > 1 ? values.indexOf(row.better(...values)) : 0;
  return { key: keys[at], value: values[at] };
}

const fraction = (n) => (n < 1 && Number.isInteger(Math.round(1e6 / n) / 1e6) ? `1/${Math.round(1 / n)}` : String(n));

function targetText({ unit, aim }) {
  if (!aim) return '';
  const sign = aim.most !== undefined ? '≤' : '≥', bound = aim.most ?? aim.least;
  if (aim.ratio) return `${sign} ${fraction(bound)} ×`;
  const blank = unit.startsWith('/') ? '' : ' ';
  return `${sign} ${bound.toLocaleString('en')}${blank}${unit}${aim.difference ? ' more' : ''}`;
}

function verdict(row, ours, peer) {
  if (!row.aim) return '';
  const reached = row.aim.ratio ? ours / peer : row.aim.difference ? ours - peer : ours;
  const met = row.aim.most !== undefined ? reached <= row.aim.most : reached >= row.aim.least;
  return met ? 'met' : 'MISSED';
}

function besideText(row, results, keys) {
  if (!row.beside) return '';
  const [ours, peer] = keys.map((key) => row.beside(results[key].figures));
  if (ours === undefined) return '';
  return peer === undefined ? withUnit(ours, row.unit) : `${withUnit(ours, row.unit)}; peer ${withUnit(peer, row.unit)}`;
}

/** One row: {cells, verdict}. results: by measure {figures} or {error}. What failed is said in the row, whatever else is
 *  known. */
function rowOf(scenario, row, results) {
  const keys = [row.ours, ...[row.peer ?? []].flat()];
  const head = [`(${scenario.id}) ${scenario.title}`, row.what];
  const bad = keys.find((key) => !results[key] || results[key].error);
  if (bad) {
    const why = `${bad}: ${results[bad]?.error ?? 'was not measured'}`;
    return { cells: [...head, '', '', '', '', targetText(row), 'FAILED', why], verdict: 'FAILED' };
  }
  try {
    const ours = row.figure(results[row.ours].figures);
    const peer = row.peer ? bestPeer(row, results) : undefined;
    if (!Number.isFinite(ours) || (peer && !Number.isFinite(peer.value)))
      throw new Error('the generator did not report it');
    const result = verdict(row, ours, peer?.value);
    const ratio = !peer ? '' : row.aim?.difference ? signed(ours - peer.value) : number(ours / peer.value);
    const beside = besideText(row, results, peer ? [row.ours, peer.key] : [row.ours]);
    const measured = [withUnit(ours, row.unit), withUnit(peer?.value, row.unit), peer ? peerName(peer.key) : '', ratio];
    return { cells: [...head, ...measured, targetText(row), result, beside], verdict: result };
  } catch (error) {
    return { cells: [...head, '', '', '', '', targetText(row), 'FAILED', error.message], verdict: 'FAILED' };
  }
}

/** All rows. run: [{scenario, results}] */
export function rowsOf(run) {
  return run.flatMap(({ scenario, results }) => scenario.rows.map((row) => rowOf(scenario, row, results)));
}

export function textTable(rows) {
  const lines = [COLUMNS, ...rows.map((row) => row.cells)];
  const widths = COLUMNS.map((_, i) => Math.max(...lines.map((cells) => [...cells[i]].length)));
  const right = new Set([2, 3, 5]);
  return lines.map((cells) => cells.map((cell, i) => {
    const blanks = ' '.repeat(widths[i] - [...cell].length);
    return right.has(i) ? blanks + cell : cell + blanks;
  }).join('  ').trimEnd()).join('\n');
}

export function markdownTable(rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  const stress = (cell, i) => (i === 7 && cell && cell !== 'met' ? `**${cell.toLowerCase()}**` : cell);
  return [line(COLUMNS), '|---|---|--:|--:|---|--:|---|---|---|', ...rows.map(({ cells }) => line(cells.map(stress)))].join('\n');
}
