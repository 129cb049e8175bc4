// The pages' words in Chinese and English, and which of the two is spoken.

const WORDS = {
  zh: {
    other: 'English',
    otherLabel: 'Switch to English',
    tagline: '泡一盏茶，慢慢聊。',
    roomsOpen: '已有 {n} 间茶室',
    roomsOne: '已有 1 间茶室',
    roomsNone: '还没有茶室，来开第一间吧',
    nick: '昵称',
    nickHint: '大家怎么称呼你？',
    head: '头像',
    room: '房间',
    roomHint: '例如：春茶',
    roomHelp: '同名即同室：没有就为你新开一间。',
    linkHome: '茶馆',
    linkTransports: '五种传输',
    enter: '进去坐坐',
    entering: '正在进去…',
    needNick: '先起一个昵称吧。',
    needRoom: '请写下房间的名字。',
    reservedNick: '这个昵称留给系统用了，请换一个。',
    errorNetwork: '连不上服务器，请稍后再试。',
    errorBusy: '服务器暂时忙不过来，请稍后再试。',
    errorRefused: '服务器没有接受这个昵称或房间名，请换一个试试。',
    seatGone: '座位已经让出来了，请重新进来。',
    notMember: '你还不是这个房间的成员，请重新进来。',
    unknownUser: '服务器不认识你了，请重新进来。',
    unknownRoom: '这个房间已经不在了，请重新进来。',
    noRoom: '没有说明要进哪个房间，请重新进来。',
    refused: '服务器请你出来了：{reason}',
    refusedPlain: '服务器没有让你进去，请重新进来。',
    connecting: '正在连接…',
    open: '已连接',
    waiting: '连接断了，{n} 秒后重连',
    waitingNow: '正在重连…',
    offline: '网络已断开',
    retryNow: '现在就连',
    share: '复制房间链接',
    shared: '链接已复制，发给朋友吧',
    shareByHand: '请从地址栏复制链接',
    members: '在座的人',
    present: '在座',
    you: '你',
    close: '关上',
    leave: '离开房间',
    conversation: '谈话',
    empty: '茶刚沏好，说第一句话吧。',
    message: '消息',
    messageHint: '说点什么…',
    send: '发送',
    composerHint: 'Enter 发送 · Shift + Enter 换行',
    sending: '发送中…',
    unsure: '等待确认…',
    used: '已用 {n}%',
    tooLong: '太长了：最多 64 KiB，现在超出 {n} KiB。',
    notConnected: '还没连上，你写的话留在这里。',
    sendFailed: '没能送达，你写的话已放回输入框。',
    serverSays: '服务器说：{message}',
    saysBusy: '服务器忙不过来，请过一会儿再发。',
    saysUnavailable: '服务器暂时存取不了消息，请稍后再试。',
    saysUnknown: '不确定这句话是否已经送达；如果一会儿没有出现，请再发一次。',
    saysRefused: '服务器没有收下这句话。',
    newMessages: '{n} 条新消息',
    newMessage: '1 条新消息',
    toBottom: '回到最新',
    today: '今天',
    yesterday: '昨天',
    gap: '这里少了一些更早的消息',
    cameIn: '{name} 进入了房间',
    wentOut: '{name} 离开了房间',
    heads: ['猫', '兔', '狐狸', '熊猫', '熊', '老虎', '猫头鹰', '青蛙', '小鹿', '鹤', '猴', '茶壶'],
  },
  en: {
    other: '中文',
    otherLabel: '切换到中文',
    tagline: 'Pour a cup, stay a while.',
    roomsOpen: '{n} tea rooms so far',
    roomsOne: 'One tea room so far',
    roomsNone: 'No tea room yet: open the first',
    nick: 'Nickname',
    nickHint: 'What shall we call you?',
    head: 'Face',
    room: 'Room',
    roomHint: 'Spring tea, for example',
    roomHelp: 'The same name is the same room; a new name opens a new one.',
    linkHome: 'Chaguan',
    linkTransports: 'Five transports',
    enter: 'Come in',
    entering: 'Coming in…',
    needNick: 'Please choose a nickname first.',
    needRoom: 'Please name a room.',
    reservedNick: 'That nickname is kept for the house. Please choose another.',
    errorNetwork: 'The server cannot be reached. Please try again in a moment.',
    errorBusy: 'The server is busy. Please try again in a moment.',
    errorRefused: 'The server did not take this nickname or room name. Please try another.',
    seatGone: 'Your seat was given up while you were away. Please come in again.',
    notMember: 'You are not a member of this room. Please come in again.',
    unknownUser: 'The server does not know you any more. Please come in again.',
    unknownRoom: 'This room is no more. Please come in again.',
    noRoom: 'No room was named. Please come in again.',
    refused: 'The server showed you out: {reason}',
    refusedPlain: 'The server did not let you in. Please come in again.',
    connecting: 'Connecting…',
    open: 'Connected',
    waiting: 'Connection lost, trying again in {n} s',
    waitingNow: 'Reconnecting…',
    offline: 'No network',
    retryNow: 'Try now',
    share: 'Copy the link to this room',
    shared: 'Link copied: send it to a friend',
    shareByHand: 'Please copy the link from the address bar',
    members: 'People here',
    present: 'Here now',
    you: 'you',
    close: 'Close',
    leave: 'Leave the room',
    conversation: 'Conversation',
    empty: 'The tea is fresh. Say the first word.',
    message: 'Message',
    messageHint: 'Say something…',
    send: 'Send',
    composerHint: 'Enter sends · Shift + Enter for a new line',
    sending: 'Sending…',
    unsure: 'Waiting to hear…',
    used: '{n}% used',
    tooLong: 'Too long: 64 KiB at most, this is {n} KiB over.',
    notConnected: 'Not connected yet. What you wrote is kept here.',
    sendFailed: 'Not delivered. What you wrote is back in the box.',
    serverSays: 'The server says: {message}',
    saysBusy: 'The server is busy. Please send it again in a moment.',
    saysUnavailable: 'The server cannot store or read messages right now. Please try again later.',
    saysUnknown: 'It is not certain that this arrived. If it does not appear soon, please send it again.',
    saysRefused: 'The server did not take this message.',
    newMessages: '{n} new messages',
    newMessage: '1 new message',
    toBottom: 'To the latest',
    today: 'Today',
    yesterday: 'Yesterday',
    gap: 'Some earlier messages are not shown here',
    cameIn: '{name} came in',
    wentOut: '{name} left',
    heads: ['Cat', 'Rabbit', 'Fox', 'Panda', 'Bear', 'Tiger', 'Owl', 'Frog', 'Deer', 'Crane', 'Monkey', 'Teapot'],
  },
};

/** More words, for a page that has its own: {zh: {key: word}, en: {the same keys}}. */
export function addWords(more) {
  for (const [code, words] of Object.entries(more)) Object.assign(WORDS[code], words);
}

const TAGS = { zh: 'zh-CN', en: 'en' };

/** 'zh' for any kind of Chinese, otherwise 'en'. */
export const pick = (tag) => (/^zh\b/i.test(tag ?? '') ? 'zh' : 'en');

let lang = 'zh';
const listeners = new Set();

export const language = () => lang;
export const languageTag = () => TAGS[lang];

/** Calls `listener` after every change of language, until `signal` aborts. */
export function onLanguage(listener, signal) {
  listeners.add(listener);
  signal?.addEventListener('abort', () => listeners.delete(listener));
}

/** The word for `key`, with {names} filled from `values`. */
export function t(key, values = {}) {
  const word = WORDS[lang][key] ?? WORDS.zh[key] ?? key;
  if (typeof word !== 'string') return word;
  return word.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** A system line in the reader's language; one that is not known stays as it came. */
export function systemLine(text) {
  const known = / (进入了房间|离开了房间)$/.exec(text);
  if (!known) return text;
  return t(known[1] === '进入了房间' ? 'cameIn' : 'wentOut', { name: text.slice(0, known.index) });
}

/** Fills every marked element of the page. */
function apply() {
  document.documentElement.lang = TAGS[lang];
  for (const el of document.querySelectorAll('[data-i18n]')) el.textContent = t(el.dataset.i18n);
  for (const el of document.querySelectorAll('[data-i18n-placeholder]')) el.placeholder = t(el.dataset.i18nPlaceholder);
  for (const el of document.querySelectorAll('[data-i18n-label]')) {
    el.setAttribute('aria-label', t(el.dataset.i18nLabel));
    if (el.tagName === 'BUTTON') el.title = t(el.dataset.i18nLabel);
  }
  for (const el of document.querySelectorAll('[data-lang-switch]')) {
    el.textContent = t('other');
    el.lang = TAGS[lang === 'zh' ? 'en' : 'zh'];
    el.title = t('otherLabel');
  }
}

export function setLanguage(next) {
  lang = next === 'en' ? 'en' : 'zh';
  apply();
  for (const listener of listeners) listener(lang);
}

export const otherLanguage = () => (lang === 'zh' ? 'en' : 'zh');

/** For tests and for code without a page: the language alone. */
export function useLanguage(next) {
  lang = next;
}

export const words = WORDS;
