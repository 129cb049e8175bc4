// What a mini program calls, as far as the articles' programs do: one socket, the last handler of each kind counts, files
// by a temporary path. `files`: what the person chooses, by path.
import WebSocket from 'ws';
import { request } from './http.mjs';
import { form } from './uploads.mjs';

export function makeWx(stack, { files = {} } = {}) {
  const storage = new Map(), handlers = {};
  let socket;
  const on = (kind) => (handler) => {
    handlers[kind] = handler;
  };
  const chosen = (kind) => Object.keys(files).find((name) => name.includes(kind));
  const wx = {
    getStorageSync: (key) => storage.get(key) ?? '',
    setStorageSync: (key, value) => storage.set(key, value),
    connectSocket({ url, header = {}, success, fail }) {
      socket = new WebSocket(url, { headers: header, perMessageDeflate: false });
      wx.socket = socket;
      stack.atEnd(() => socket.terminate());
      success?.({ errMsg: 'connectSocket:ok' });
      socket.on('open', () => handlers.open?.({}));
      socket.on('message', (data) => handlers.message?.({ data: data.toString() }));
      socket.on('error', (error) => (handlers.error ?? fail)?.({ errMsg: error.message }));
      socket.on('close', (code, reason) => handlers.close?.({ code, reason: reason.toString() }));
    },
    onSocketOpen: on('open'),
    onSocketMessage: on('message'),
    onSocketError: on('error'),
    onSocketClose: on('close'),
    sendSocketMessage: ({ data }) => socket.send(data),
    closeSocket: () => socket.close(),
    chooseImage: ({ success }) => success({ tempFilePaths: [chosen('image')] }),
    chooseVideo: ({ success }) => success({ tempFilePath: chosen('video') }),
    async uploadFile({ url, filePath, name, success }) {
      const { headers, body } = form([{ name, filename: filePath.split('/').at(-1), type: 'image/jpeg',
        bytes: files[filePath] }]);
      const answer = await request(url, { method: 'POST', headers, body });
      success({ statusCode: answer.status, data: answer.text });
    },
    showToast: ({ title }) => handlers.toast?.(title),
    onToast: on('toast'),
  };
  return wx;
}
