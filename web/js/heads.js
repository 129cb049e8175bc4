// Faces: the twelve heads of heads.svg, and a letter for someone whose head is not known.

const SVG = 'http://www.w3.org/2000/svg';
export const HEADS = 12;
const TONES = 8;

/** 1 to HEADS for whatever another client chose as its head_num; null when it is no number. */
export function headIndex(value) {
  const n = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (!Number.isSafeInteger(n) || n < 0) return null;
  return n === 0 ? HEADS : ((n - 1) % HEADS) + 1;
}

/** 0 to TONES-1, the same for a name every time. */
export function tone(name) {
  let h = 0;
  for (const ch of name) h = (Math.imul(h, 31) + ch.codePointAt(0)) >>> 0;
  return h % TONES;
}

/** The first thing one sees of a name: a whole character, even when it is made of several code points. */
export function initial(name) {
  const trimmed = name.trim();
  if (trimmed === '') return '·';
  if (typeof Intl.Segmenter !== 'function') return [...trimmed][0].toUpperCase();
  const [first] = new Intl.Segmenter().segment(trimmed);
  return first.segment.toUpperCase();
}

export function headPicture(index) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 64 64');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('focusable', 'false');
  svg.classList.add('head');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `heads.svg#head-${index}`);
  svg.append(use);
  return svg;
}

/** A decoration: the name stands beside it as text. */
export function avatar(name, headNum) {
  const index = headIndex(headNum);
  if (index !== null) return headPicture(index);
  const span = document.createElement('span');
  span.className = `head letter tone-${tone(name)}`;
  span.setAttribute('aria-hidden', 'true');
  span.textContent = initial(name);
  return span;
}
