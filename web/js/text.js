// Words on the page: finding links in those of others, and putting all in as DOM nodes. Never as HTML.

const CANDIDATE = /https?:\/\/[^\s<>"'`\u3000-\u303F\uFF00-\uFF60\u2018-\u201F\u202A-\u202E\u2066-\u2069]+/gi;
const MAX_LINKS = 50; // of one message; a frame has room for thousands
const PAIRS = { ')': '(', ']': '[', '}': '{' };

/**
 * A full stop after a link ends the sentence, not the link; a closing bracket belongs to it only if it was opened in
 * it. Counts once: a stranger may send a frame full of brackets.
 */
function trimEnd(url) {
  const seen = {};
  for (const ch of url) if ('()[]{}'.includes(ch)) seen[ch] = (seen[ch] ?? 0) + 1;
  let end = url.length;
  for (; end > 0; end--) {
    const last = url[end - 1];
    const open = PAIRS[last];
    const unopened = open !== undefined && (seen[open] ?? 0) < seen[last];
    if (unopened) seen[last]--;
    else if (!/[.,;:!?*_~|]/.test(last)) break;
  }
  return url.slice(0, end);
}

function safeHref(candidate) {
  try {
    const url = new URL(candidate);
    const plain = url.username === '' && url.password === ''; // `https://bank.example@evil.example` deceives the eye
    return (url.protocol === 'http:' || url.protocol === 'https:') && plain ? url.href : null;
  } catch {
    return null;
  }
}

/** The text in pieces, in order, nothing lost: {text} or {text, href}. */
export function linkParts(text) {
  const parts = [];
  let from = 0;
  let links = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const shown = trimEnd(match[0]);
    const href = safeHref(shown);
    if (href === null) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index) });
    parts.push({ text: shown, href });
    from = match.index + shown.length;
    if (++links === MAX_LINKS) break;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

/** Fills `node` with `text`, links made to open elsewhere and to tell the other side nothing. */
export function putText(node, text) {
  node.replaceChildren(...linkParts(text).map((part) => {
    if (part.href === undefined) return document.createTextNode(part.text);
    const a = document.createElement('a');
    a.href = part.href;
    a.textContent = part.text;
    a.target = '_blank';
    a.rel = 'noopener noreferrer nofollow';
    return a;
  }));
}

/** A new element of that kind; class and text are optional. */
export function element(tag, className, text) {
  const el = document.createElement(tag);
  if (className) el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}
