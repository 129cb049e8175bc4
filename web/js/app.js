// The page's beginning: which language, and whether one stands at the entrance or sits in a room.

import { ApiError, getRoomInfo, getUserInfo, validateNickIdByRoomId } from './api.js';
import { Entrance } from './entrance.js';
import { language, otherLanguage, pick, setLanguage, t } from './i18n.js';
import { Room } from './room.js';
import { forgetSeat, hashForRoom, loadHabits, loadSeat, roomInHash, saveHabits, saveSeat } from './session.js';

const entrance = new Entrance({ onEnter: sit });
let room = null;

function standAtEntrance(notice = '') {
  room?.close();
  room = null;
  forgetSeat();
  document.title = '茶馆 Chaguan';
  document.getElementById('room').hidden = true;
  entrance.show({ roomName: roomInHash(location.hash), notice });
}

function sit(seat) {
  saveSeat(seat);
  history.replaceState(null, '', hashForRoom(seat.roomName));
  entrance.hide();
  document.getElementById('room').hidden = false;
  room = new Room(seat, { onOut: standAtEntrance });
}

/** After a reload: back to the same seat if it is still ours, else to the entrance with the reason. */
async function resume(seat) {
  try {
    if (!(await validateNickIdByRoomId(seat.roomId, seat.nickId))) return standAtEntrance(t('seatGone'));
    const [roomName, nickName] = await Promise.all([getRoomInfo(seat.roomId), getUserInfo(seat.nickId)]);
    return sit({ ...seat, roomName: roomName ?? seat.roomName, nickName: nickName ?? seat.nickName });
  } catch (error) {
    if (!(error instanceof ApiError) || error.kind === 'refused') return standAtEntrance(t('seatGone'));
    return sit(seat); // the server is away, not the seat: the room keeps trying
  }
}

for (const button of document.querySelectorAll('[data-lang-switch]')) {
  button.addEventListener('click', () => {
    setLanguage(otherLanguage());
    saveHabits({ lang: language() });
    button.focus();
  });
}
setLanguage(loadHabits().lang ?? pick(navigator.language));

// Someone followed a link to another room in this very tab.
addEventListener('hashchange', () => {
  const wanted = roomInHash(location.hash);
  if (room && wanted !== '' && wanted !== room.seat.roomName) standAtEntrance();
  else if (!room) entrance.suggestRoom(wanted);
});

const seat = loadSeat();
const wanted = roomInHash(location.hash);
if (seat && (wanted === '' || wanted === seat.roomName)) resume(seat);
else standAtEntrance();
