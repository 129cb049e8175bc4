// The chatroom's five REST calls. Throws ApiError: `kind` is 'network' (no answer), 'busy' (the server cannot now) or
// 'refused' (it does not like the input).

const TIMEOUT_MS = 15_000;

export class ApiError extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

async function call(name, body) {
  let response;
  let answer;
  try {
    response = await fetch(`/api/${name}`, {
      ...(body && {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError('network');
  }
  try {
    answer = await response.json();
  } catch {
    throw new ApiError('busy'); // a proxy's page in place of an answer
  }
  if (response.status >= 500 || response.status === 429) throw new ApiError('busy');
  if (!response.ok || answer === null || typeof answer !== 'object' || 'error' in answer) throw new ApiError('refused');
  return answer;
}

/** {chatroomId, nickId}; the nickId is what proves who one is. */
export async function createChatroom(chatroomName, nickName, headNum) {
  const { data } = await call('createChatroom', { chatroomName, nickName, headNum });
  if (typeof data?.chatroomId !== 'string' || typeof data?.nickId !== 'string') throw new ApiError('busy');
  return data;
}

export async function getRoomNums() {
  const { data } = await call('getRoomNums');
  return Number.isSafeInteger(data) ? data : 0;
}

/** Whether that user still sits in that room. */
export async function validateNickIdByRoomId(roomId, nickId) {
  return (await call('validateNickIdByRoomId', { roomId, nickId })).success === true;
}

/** The room's name, undefined when there is no such room. */
export async function getRoomInfo(roomId) {
  return (await call('getRoomInfo', { roomId })).data;
}

export async function getUserInfo(userId) {
  return (await call('getUserInfo', { userId })).data;
}
