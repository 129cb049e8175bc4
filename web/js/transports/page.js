// The page with five transports: a seat in one room, five panels that listen to it, and one box that speaks.

import './words.js';
import { ApiError, createChatroom } from '../api.js';
import { MAX_FRAME_BYTES, byteLength, tidy } from '../frames.js';
import { HEADS, headIndex } from '../heads.js';
import { language, onLanguage, otherLanguage, pick, setLanguage, t } from '../i18n.js';
import { loadHabits, saveHabits } from '../session.js';
import { Panel } from './panel.js';
import { Events, Frame, LongPolling, Polling, Socket } from './wires.js';

const KINDS = [
  { id: 'polling', Wire: Polling, name: 'trPolling', how: 'trPollingHow', headsSeen: true, canBeEmpty: true },
  { id: 'long', Wire: LongPolling, name: 'trLong', how: 'trLongHow', headsSeen: true, canBeEmpty: true },
  { id: 'events', Wire: Events, name: 'trEvents', how: 'trEventsHow', headsSeen: false, canBeEmpty: false },
  { id: 'frame', Wire: Frame, name: 'trFrame', how: 'trFrameHow', headsSeen: false, canBeEmpty: false },
  { id: 'socket', Wire: Socket, name: 'trSocket', how: 'trSocketHow', headsSeen: false, canBeEmpty: false },
];
const ERRORS = { network: 'errorNetwork', busy: 'errorBusy', refused: 'errorRefused' };
const SEND_ERRORS = { busy: 'saysBusy', unavailable: 'saysUnavailable', unknown: 'saysUnknown' };
const SEND_TIMEOUT_MS = 20_000;

const byId = (id) => document.getElementById(id);

function notice(id, text) {
  byId(id).textContent = text;
  byId(id).hidden = text === '';
}

/** So that a text sent twice, because its answer was lost, is one message. crypto.randomUUID needs HTTPS. */
function newClientId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

let panels = [];
let paused = []; // those that ran when the page went out of sight
let seat = null;
let posts = 0;
let sent = { text: '', at: 0 };
let unanswered = { text: '', clientId: '' };

// ---- coming in

async function enter(event) {
  event.preventDefault();
  const button = byId('enter-button');
  if (button.getAttribute('aria-disabled') === 'true') return;
  const nickName = byId('nick').value.trim();
  const roomName = byId('room-name').value.trim();
  if (nickName === '' || roomName === '') {
    notice('enter-notice', t(nickName === '' ? 'needNick' : 'needRoom'));
    return;
  }
  button.setAttribute('aria-disabled', 'true');
  try {
    const { chatroomId, nickId } = await createChatroom(roomName, nickName, headIndex(loadHabits().head) ?? HEADS);
    saveHabits({ nickName });
    sit({ roomId: chatroomId, nickId });
  } catch (error) {
    notice('enter-notice', t(error instanceof ApiError ? ERRORS[error.kind] : 'errorBusy'));
  } finally {
    button.setAttribute('aria-disabled', 'false');
  }
}

function sit(newSeat) {
  seat = newSeat;
  panels = KINDS.map((kind) => new Panel(kind, seat, { sinceSent, onGone: () => standUp(t('trLeft')) }));
  byId('panels').replaceChildren(...panels.map((panel) => panel.element));
  notice('enter-notice', '');
  byId('entry').hidden = true;
  byId('desk').hidden = false;
  for (const panel of panels) panel.start();
  byId('box').focus({ preventScroll: true });
}

function standUp(reason) {
  for (const panel of panels) panel.stop();
  panels = [];
  paused = [];
  byId('desk').hidden = true;
  byId('entry').hidden = false;
  notice('enter-notice', reason);
}

// ---- speaking

function sinceSent(text) {
  return text === sent.text ? Math.round(performance.now() - sent.at) : null;
}

async function send(event) {
  event.preventDefault();
  const text = tidy(byId('box').value);
  if (text === '') return;
  if (byteLength(text) > MAX_FRAME_BYTES) {
    notice('composer-notice', t('tooLong', { n: ((byteLength(text) - MAX_FRAME_BYTES) / 1024).toFixed(1) }));
    return;
  }
  const clientId = unanswered.text === text ? unanswered.clientId : newClientId();
  unanswered = { text, clientId };
  byId('box').value = '';
  notice('composer-notice', '');
  sent = { text, at: performance.now() };
  posts++;
  drawPosts();
  const failed = await post({ nickId: seat.nickId, content: text, clientId });
  if (failed === '') {
    if (unanswered.clientId === clientId) unanswered = { text: '', clientId: '' };
    return;
  }
  if (byId('box').value === '') byId('box').value = text;
  notice('composer-notice', failed);
}

/** What went wrong, or ''. */
async function post(body) {
  try {
    const response = await fetch(`/rooms/${encodeURIComponent(seat.roomId)}/send`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
    });
    const answer = await response.json().catch(() => null);
    if (response.ok && answer?.success === true) return '';
    return t(SEND_ERRORS[answer?.code] ?? (response.status >= 500 ? 'saysUnavailable' : 'saysRefused'));
  } catch {
    return t('saysUnknown');
  }
}

function drawPosts() {
  byId('posts').textContent = posts === 0 ? '' : t('trSent', { n: posts });
}

// ---- the page

byId('enter-form').addEventListener('submit', enter);
byId('composer').addEventListener('submit', send);
byId('box').addEventListener('input', () => notice('composer-notice', ''));

// Three of them hold a connection each; another tab with this page would find none left.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    paused = panels.filter((panel) => panel.running);
    for (const panel of paused) panel.stop();
  } else {
    for (const panel of paused) panel.start();
    paused = [];
  }
});

for (const button of document.querySelectorAll('[data-lang-switch]')) {
  button.addEventListener('click', () => {
    setLanguage(otherLanguage());
    saveHabits({ lang: language() });
  });
}
onLanguage(() => {
  document.title = `${t('trTitle')} · 茶馆`;
  drawPosts();
});
setLanguage(loadHabits().lang ?? pick(navigator.language));
const { nickName } = loadHabits();
byId('nick').value = typeof nickName === 'string' ? nickName
  : t('trNickName', { n: 100 + Math.floor(Math.random() * 900) });
byId('room-name').value = t('trRoomName');
